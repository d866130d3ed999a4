"""Bind the store and /tmp onto themselves, bind / onto itself, remount that read-only: only what was bound stays writable.

Four steps, none of which needs more than a mount namespace of one's own. Each does one thing: (1) the chroot is set up,
with whatever is mounted in it; (2) the directories that shall stay writable become mounts, by a recursive bind onto
themselves; (3) so does the root, which takes those mounts along; (4) MS_REMOUNT|MS_BIND|MS_RDONLY changes the flags of that
last mount alone. Until the fourth nothing is read-only; it works because step 2 has put other mounts on top, not
because anything is excepted.

What is a mount of its own keeps its own flags, and this is the weak side: a filesystem in the chroot like /dev, or a
bind mount somewhere in it that somebody forgot to remount, stays writable without anybody having said so, also below a
directory that is read-only.

Read-only is a property of the way to a file, and is asked before any permission is: every call that would change the
directory or the inode is EROFS, chmod and chown like open and unlink, also for root. But what is not stored in
the filesystem is not protected: a socket on the read-only root can be connected to and a pipe opened for writing. A
daemon's socket must be kept out of the root; a read-only mount will not hold anybody back.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE, MS
from ksem.guest.lab import GROUP, OWNER
from ksem.guest.roots import CHANGED, HARMLESS, NAMES, changes, furnish

# What is in the chroot; the last three are mounts already when the recipe begins.
DIRECTORIES = ("etc", "tmp", "gnu", "gnu/store", "gnu/store/item", "etc/forgotten", "dev")
BOUND = {"gnu/store/item": "item", "etc/forgotten": "forgotten"}
PLACES = (".", "etc", "tmp", "gnu/store", "gnu/store/item", "etc/forgotten", "dev")
READ_ONLY = (".", "etc", "gnu/store/item")
REMOUNT = MS.REMOUNT | MS.BIND | MS.RDONLY
STEPS = {
    "2: store and /tmp bound": [("mount", "root/gnu/store", "root/gnu/store", None, MS.BIND | MS.REC, None),
                                ("mount", "root/tmp", "root/tmp", None, MS.BIND | MS.REC, None)],
    "3: / bound": [("mount", "root", "root", None, MS.BIND | MS.REC, None)],
    "4: / remounted": [("mount", None, "root", None, REMOUNT, None)],
}


def with_user_xattrs(caller):
    return expected(caller, "ok")


def without_user_xattrs(caller):
    return expected(caller, "EOPNOTSUPP")


def expected(caller, setxattr):
    stages = {"1: chroot set up": ["gnu/store/item"]}
    stages.update({name: list(READ_ONLY) if name.startswith("4") else ["gnu/store/item"] for name in STEPS})
    return {"read-only after step": stages, "changes": {place: outcomes(place, caller, setxattr) for place in PLACES}}


def outcomes(place, caller, setxattr):
    """Only a device is more than the sandbox's root may make."""
    device = caller == "root"
    closed = place in READ_ONLY
    found = {name: "EROFS" if closed and name not in HARMLESS else "ok" for name in changes("", [0, 0])}
    if not closed:
        found.update({"setxattr": setxattr, "mknod of a device": "ok" if device else "EPERM"})
    return dict(found, left=sorted(NAMES if closed else CHANGED + (("new device",) if device else ())))


CASE = Case(
    claim="After rbind of store and /tmp onto themselves, rbind of / onto itself and a remount of / with"
          " MS_BIND|MS_RDONLY, every change is EROFS but in the store, in /tmp and on other mounts.",
    cites=(
        "mount(2), 'Remounting an existing mount': of that mount alone; 'Creating a bind mount': MS_REC takes submounts along",
        "path_resolution(7), 'Permissions'; access(2), 'ERRORS', EROFS",
        "mknod(2), 'ERRORS', EPERM",
        "mnt_want_write() in fs/namespace.c, and who calls it in fs/namei.c, fs/open.c, fs/utimes.c and fs/xattr.c",
        "sb_permission() in fs/namei.c: sockets, pipes and devices are not asked for",
    ),
    params={"caller": ("root", "an ordinary user's sandbox")},
    expect=(
        Rule(with_user_xattrs, since="6.6",
             cites="2daf18a7884d (\"tmpfs,xattr: enable limited user extended attributes\"), 6.6"),
        Rule(without_user_xattrs),
    ),
    needs=("root", "userns"),
    options=("CONFIG_USER_NS", "CONFIG_TMPFS_XATTR"),
)


def observe(lab, caller):
    # What is in the chroot, and outside of it what is bound into it.
    for path in ("root", "outside"):
        lab.mkdir(path, 0o755)
        if caller != "root":
            lab.chown(path, OWNER, GROUP)
    if caller != "root":
        lab.become(lab, OWNER, GROUP)
        lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        lab.map_ids(lab, {0: OWNER}, {0: GROUP})
    set_up(lab)
    stages = {"1: chroot set up": closed_places(lab)}
    for name, calls in STEPS.items():
        lab.values(calls)
        stages[name] = closed_places(lab)
    return {"read-only after step": stages, "changes": {place: tried(lab, "root/" + place) for place in PLACES}}


def set_up(lab):
    """The first step: directories, /dev as a filesystem, a store item bound read-only, and what is bound and not remounted."""
    for name in DIRECTORIES:
        lab.mkdir("root/" + name, 0o755)
    for target, name in BOUND.items():
        lab.mkdir("outside/" + name, 0o755)
        lab.mount("outside/" + name, "root/" + target, None, MS.BIND, None)
    lab.mount("dev", "root/dev", "tmpfs", 0, "mode=755")
    for place in PLACES:
        furnish(lab, "root/" + place)
    lab.mount(None, "root/gnu/store/item", None, REMOUNT, None)


def closed_places(lab):
    """Where nobody can open a file for writing."""
    answers = lab.batch([("try_open", "root/%s/file" % place, 1) for place in PLACES])
    return [place for place, answer in zip(PLACES, answers) if answer == "EROFS"]


def tried(lab, directory):
    """The root has its directories beside what `furnish` put there: they are left out."""
    calls = changes(directory, lab.sockets(2))
    names = dict(zip(calls, lab.batch(calls.values())))
    left = [name for name in lab.list_directory(directory) if name not in DIRECTORIES and name not in BOUND.values()]
    return dict(names, left=left)
