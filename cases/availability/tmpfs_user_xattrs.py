"""tmpfs takes user.* extended attributes since 6.6; before, it knew only trusted.* and security.*.

Tools that keep something about files in user.* (ownership in fuse-overlayfs, marks of rootless overlayfs, provenance in build
stores) failed on a tmpfs with EOPNOTSUPP. Now a regular file or a directory may have them, as much of them as the limit of
the superblock for inodes lets through. On a symlink, as everywhere, user.* is not allowed at all (EPERM), and neither
on a device or fifo.

For root of a user namespace on its own tmpfs it is the same; trusted.* stays the machine's root's alone (EPERM).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import S

OBJECTS = ("file", "directory", "fifo")


def since_6_6(caller):
    return table(caller, "ok")


def before_6_6(caller):
    return table(caller, "EOPNOTSUPP")


def table(caller, user):
    # xattr_permission() asks for the kind of file before anything asks the filesystem.
    seen = {name: {"set": user, "read back": "value" if user == "ok" else user} for name in ("file", "directory")}
    # Reading such a name from a fifo is answered as if it had none.
    seen["fifo"] = {"set": "EPERM", "read back": "ENODATA"}
    trusted = ("ok", "value") if caller == "root" else ("EPERM", "ENODATA")
    seen["trusted.name on the file"] = dict(zip(("set", "read back"), trusted))
    return seen


CASE = Case(
    claim="tmpfs keeps user.* extended attributes of files and directories since 6.6.",
    cites=(
        "xattr(7), 'Extended user attributes'",
        "xattr_permission() in fs/xattr.c",
        "Documentation/filesystems/tmpfs.rst",
    ),
    params={"caller": ("root", "root of a user namespace")},
    expect=(
        Rule(since_6_6, since="6.6", cites="2daf18a7884d (\"tmpfs,xattr: enable limited user extended attributes\"), 6.6"),
        Rule(before_6_6),
    ),
    needs=lambda caller: ("root",) if caller == "root" else ("userns",),
    options=("CONFIG_TMPFS_XATTR",),
)


def observe(lab, caller):
    if caller != "root":
        lab.enter_sandbox()
    lab.tmpfs("place")
    lab.file("place/file")
    lab.mkdir("place/directory", 0o755)
    lab.mknod("place/fifo", S.IFIFO | 0o644, 0)
    seen = {name: kept(lab, "place/" + name, "user.name") for name in OBJECTS}
    seen["trusted.name on the file"] = kept(lab, "place/file", "trusted.name")
    return seen


def kept(lab, path, name):
    result = lab.attempt.setxattr(path, name, "value", 5, 0)
    value, error = lab.issue("getxattr", [path, name])
    return {"set": result, "read back": error or value}
