"""In a set-group-id directory new files get its group, new directories S_ISGID too, and no stranger a set-group-id program.

A directory with S_ISGID (or a filesystem mounted with grpid) hands its group down: what is made in it belongs to that group,
whichever groups the maker is in, and a new directory has S_ISGID as well, so that it goes on below. Elsewhere the group is
the maker's.

With that alone, a maker outside the group could ask for mode 2755 and own a program that runs as the group. So S_ISGID together
with group execute permission is taken off when a file is made in such a directory, unless the maker is in the group or has
CAP_FSETID; open, mknod and O_TMPFILE are alike. Without group execute permission it stays: exec ignores it, and a
later chmod asks again. S_ISUID is not touched: the file is the maker's own.
In a directory of the maker's own group nothing is taken off. mkdir ignores S_ISGID in the mode it is given.

What counts is the mode that was asked for. Up to 5.19 it was what the umask, or a default ACL of the directory, had left of it:
who let one of them take the group's execute permission off kept S_ISGID, and could give the permission back by a chmod.
Stable updates have that mended.
"""

import struct

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CAP, O, S
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

# The directories belong to root and GROUP, or to OTHER's group, and anybody may write to them.
DIRECTORIES = {"set-group-id": 0o2777, "plain": 0o777}
MODES = (0o755, 0o2755, 0o2745, 0o6755)
MAKERS = {"open": (O.CREAT | O.EXCL | O.WRONLY), "mknod": S.IFREG, "mkdir": None, "O_TMPFILE": O.TMPFILE | O.WRONLY}
CALLERS = {
    "member": (OWNER, (GROUP,), ()),
    "supplementary member": (OWNER, (OTHER, GROUP), ()),
    "stranger": (OTHER, (OTHER,), ()),
    "stranger with CAP_FSETID": (OTHER, (OTHER,), ("FSETID",)),
}
FILESYSTEMS = ("tmpfs", "ext4", "xfs", "btrfs", "overlay")
# What takes the group's execute permission off.
TAKEN_OFF = ("nothing", "umask", "default ACL")
# For the owner all, for others r-x, for the group r--: version 2, then (tag, permissions, no id).
DEFAULT_ACL = struct.pack("=I", 2) + b"".join(struct.pack("=HHI", tag, bits, 0xFFFFFFFF) for tag, bits in
                                              ((1, 7), (4, 4), (32, 5)))


def expected(caller, fs, taken_off):
    taken = 0 if taken_off == "nothing" else 0o010
    return {name: {maker: {"%05o" % mode: outcome(CALLERS[caller], maker, bits, mode, taken) for mode in MODES}
                   for maker in MAKERS if (maker, fs) not in LACKING} for name, bits in DIRECTORIES.items()}


def outcome(caller, maker, directory, mode, taken):
    """mode_strip_sgid(), then the umask or the ACL, and inode_init_owner()."""
    _, groups, capabilities = caller
    hands_down = directory & 0o2000
    group = GROUP if hands_down else groups[0]
    if maker == "mkdir":
        # vfs_mkdir() knows the permissions and the sticky bit only.
        return "%05o %s" % ((mode & 0o1777 & ~taken) | hands_down, user_name(group))
    if hands_down and mode & 0o2010 == 0o2010 and GROUP not in groups and "FSETID" not in capabilities:
        mode &= ~0o2000
    return "%05o %s" % (mode & ~taken, user_name(group))


# O_TMPFILE came to overlayfs with 6.1.
LACKING = (("O_TMPFILE", "overlay"),)
CASE = Case(
    claim="What is made in a set-group-id directory gets its group, a directory S_ISGID too; a file loses S_ISGID with group"
          " execute permission if its maker is neither in the group nor has CAP_FSETID.",
    cites=(
        "inode(7), 'The file type and mode'; mkdir(2), 'DESCRIPTION'; open(2), O_CREAT",
        "inode_init_owner() and mode_strip_sgid() in fs/inode.c",
        "0fa3ecd87848 (\"Fix up non-directory creation in SGID directories\"), 4.18",
        "1639a49ccdce (\"fs: move S_ISGID stripping into the vfs_*() helpers\"), 6.0, in 5.10.176 and 5.15.103",
    ),
    params={"caller": tuple(CALLERS), "fs": FILESYSTEMS, "taken_off": TAKEN_OFF},
    shown_with={"caller": "stranger", "fs": "tmpfs", "taken_off": "nothing"},
    where=lambda caller, fs, taken_off: (fs == "tmpfs" and (taken_off != "default ACL" or "CAP" not in caller)) or (
        caller == "stranger" and taken_off == "nothing"),
    expect=expected,
    options=("CONFIG_TMPFS_POSIX_ACL",),
    needs=lambda caller, fs, taken_off: ("root", "fs:" + fs),
    documented="open(2) and mknod(2) do not say that S_ISGID can be missing from the mode that was asked for.",
    survivors={
        'drop chown("files/plain"*': "Without S_ISGID the group of a directory is not inherited, as is claimed.",
    },
)


def observe(lab, caller, fs, taken_off):
    lab.filesystem(fs, "files")
    for name, mode in DIRECTORIES.items():
        lab.mkdir("files/" + name, 0o755)
        lab.chown("files/" + name, 0, GROUP)
        lab.chmod("files/" + name, mode)
        if taken_off == "default ACL":
            lab.setxattr("files/" + name, "system.posix_acl_default", DEFAULT_ACL.decode("utf-8", "surrogateescape"),
                         len(DEFAULT_ACL), 0)
    uid, groups, capabilities = CALLERS[caller]
    process = lab.become(lab.fork("maker"), uid, groups[0], groups[1:], [getattr(CAP, name) for name in capabilities])
    process.umask(0o010 if taken_off == "umask" else 0)
    made = {(name, maker, mode): call(maker, "files/" + name, mode) for name in DIRECTORIES for maker in MAKERS
            if (maker, fs) not in LACKING for mode in MODES}
    opened = process.values(made.values())
    # What has no name is looked at by its maker, the rest from outside.
    looks = [(process, ("statx", value, "", AT.EMPTY_PATH, 0x7FF)) if maker == "O_TMPFILE" else
             (lab, ("statx", AT_FDCWD, path_of("files/" + name, maker, mode), AT.SYMLINK_NOFOLLOW, 0x7FF))
             for (name, maker, mode), value in zip(made, opened)]
    seen = {by: iter(by.values([look for who, look in looks if who is by])) for by in (process, lab)}
    table = {}
    for (name, maker, mode), (by, _) in zip(made, looks):
        table.setdefault(name, {}).setdefault(maker, {})["%05o" % mode] = spelled(next(seen[by]))
    return table


def call(maker, directory, mode):
    path = path_of(directory, maker, mode)
    if maker == "mkdir":
        return ("mkdir", path, mode)
    if maker == "mknod":
        return ("mknod", path, MAKERS[maker] | mode, 0)
    return ("open", directory if maker == "O_TMPFILE" else path, MAKERS[maker], mode)


def path_of(directory, maker, mode):
    return "%s/%s %05o" % (directory, maker, mode)


def spelled(made):
    return "%s %s" % (made["mode"], user_name(made["gid"]))
