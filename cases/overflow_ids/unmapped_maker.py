"""Who has no id on a filesystem can make nothing there (EOVERFLOW); who has none in his own namespace can, elsewhere.

A filesystem stores the ids of the user namespace that it was mounted in. For what the machine mounted that is all ids, so
that a process makes files there as the user that it really is, also while its own namespace has no number for it: who
unshares and has not written its maps yet works as before, and shows to itself as the overflow user.

On a filesystem mounted in the namespace itself, as the tmpfs of a sandbox is, user and group of the maker must both be mapped.
Else there is no owner to store: open, mkdir, mknod, symlink and bind answer EOVERFLOW, whatever the mode of the directory and
the capabilities of the caller, who has them all over this filesystem. Its root directory belongs to its mounter all the same,
mapped or not, who may chmod it.

O_TMPFILE was forgotten: it made a file of somebody without an id, until 7.2 and stable updates before it.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AF, AT, AT_FDCWD, CLONE, SOCK, O, S
from ksem.guest.lab import GROUP, OVERFLOW, OWNER, user_name

PLACES = ("the machine's", "its own")
MAPS = {"both": ({0: OWNER}, {0: GROUP}), "user alone": ({0: OWNER}, {}), "group alone": ({}, {0: GROUP}), "neither": ({}, {})}
MADE = ("open", "mkdir", "mknod", "symlink", "bind", "O_TMPFILE")


def refused(place, mapped):
    return table(place, mapped, "EOVERFLOW")


def tmpfile_forgotten(place, mapped):
    return table(place, mapped, None)


def table(place, mapped, tmpfile):
    uids, gids = MAPS[mapped]
    inside = "%s:%s" % ("root" if uids else OVERFLOW, "root" if gids else OVERFLOW)
    made = "owner:group, to itself " + inside
    whole = mapped == "both"
    if place == "the machine's" or whole:
        return dict(dict.fromkeys(MADE, made), chmod="ok")
    return dict(dict.fromkeys(MADE, "EOVERFLOW"), O_TMPFILE=tmpfile or made, chmod="ok")


CASE = Case(
    claim="To make a file on a filesystem of its own namespace a process needs a mapped user and group (EOVERFLOW); on the"
          " machine's filesystems it needs neither.",
    cites=(
        "fsuidgid_has_mapping() in include/linux/fs.h, asked by may_create() and may_o_create() in fs/namei.c",
        "036d523641c6 (\"vfs: Don't create inodes with a uid or gid unknown to the vfs\"), 4.8",
    ),
    params={"place": PLACES, "mapped": tuple(MAPS)},
    expect=(
        Rule(refused, since="7.2", backports=("6.1.191", "6.12.97", "6.18.44", "7.1.7"),
             cites="\"fs: refuse O_TMPFILE creation with an unmapped fsuid or fsgid\", 7.2, 6.12.97, 6.1.191; in 7.1.7, not in"
                  " 7.1.3; in 6.18.44, not in 6.18.15"),
        Rule(tmpfile_forgotten, cites="vfs_tmpfile() in fs/namei.c, of 5.10"),
    ),
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="open(2) and mkdir(2) know EOVERFLOW for a user without a mapping not at all.",
)


def observe(lab, place, mapped):
    overflow = lab.overflow_ids()
    lab.mkdir("place", 0o777)
    lab.chmod("place", 0o777)
    process = lab.become(lab.fork("maker"), OWNER, GROUP)
    process.unshare(CLONE.NEWUSER | CLONE.NEWNS)
    lab.map_ids(process, *MAPS[mapped], by=lab)
    if place == "its own":
        process.mount("own", "place", "tmpfs", 0, "mode=777")
    process.chdir("place")
    door = process.socket(AF.UNIX, SOCK.DGRAM, 0)
    calls = {
        "open": ("openat", AT_FDCWD, "open", O.CREAT | O.WRONLY, 0o644), "mkdir": ("mkdir", "mkdir", 0o755),
        "mknod": ("mknod", "mknod", S.IFIFO | 0o644, 0), "symlink": ("symlink", "target", "symlink"),
        "bind": ("bind", door, "bind"),
    }
    results = dict(zip(calls, process.batch(calls.values())))
    # What it has mounted only it can reach by a path, others by its working directory.
    seen = {name: result if result != "ok" else owners(lab, process, name, overflow) for name, result in results.items()}
    value, error = process.issue("open", [".", O.TMPFILE | O.WRONLY, 0o644])
    seen["O_TMPFILE"] = error or "%s, to itself %s" % (
        owner(lab, AT_FDCWD, "/proc/%d/fd/%d" % (process.pid, value), 0, overflow),
        owner(process, value, "", AT.EMPTY_PATH, overflow))
    seen["chmod"] = process.attempt.chmod("open" if results["open"] == "ok" else ".", 0o600)
    return seen


def owners(lab, process, name, overflow):
    """To the machine's root, and to the process itself."""
    return "%s, to itself %s" % (
        owner(lab, AT_FDCWD, "/proc/%d/cwd/%s" % (process.pid, name), AT.SYMLINK_NOFOLLOW, overflow),
        owner(process, AT_FDCWD, name, AT.SYMLINK_NOFOLLOW, overflow))


def owner(process, directory, path, flags, overflow):
    now = process.statx(directory, path, flags, 0x7FF)
    return "%s:%s" % (user_name(now["uid"], overflow[0]), user_name(now["gid"], overflow[1]))
