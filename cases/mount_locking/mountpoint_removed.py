"""Locked or not, a mount goes with its mountpoint: whoever may rename or remove that directory elsewhere, uncovers it.

A directory or file that is a mountpoint cannot be renamed or removed in the namespace where it is one (EBUSY), and so
nobody inside a sandbox takes a cover off that way. But a process in another mount namespace, in which nothing is
mounted there, may do both with ordinary permissions on the parent directory. Removing the mountpoint takes the mount
away in every namespace; renaming it takes the mount along to the new name, and the old name is free for something else.
The lock does not enter into it.

So a mount is only as firm as the directory that it stands on is protected from others: a cover of something secret
belongs on a place that the user on the outside, who in a rootless sandbox is the one inside, cannot rename.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MS

UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}
CHANGES = ("remove the directory", "rename the directory", "replace the directory", "remove the file", "rename the file",
           "replace the file")


def expected(unshared, change):
    kind = change.split()[-1]
    gone = "remove" in change
    # What replaces a mountpoint takes its name; the mount goes with the old directory or file, which is no more.
    moved = "rename" in change
    return {
        "by the sandbox": {"result": "EBUSY", "mounted": [kind]},
        "by its maker": {"result": "ok", "mounted": ["new " + kind] if moved else []},
        "seen under the old name": "ENOENT" if gone or moved else "the other",
    }


CASE = Case(
    claim="A mountpoint that is renamed or removed in another mount namespace takes the mount with it or away, whether that is"
          " locked or not; where it is a mountpoint, the same is EBUSY.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces': a mount point in one namespace and not in another",
        "rename(2), rmdir(2) and unlink(2), 'ERRORS', EBUSY",
        "detach_mounts() and is_local_mountpoint() in fs/namei.c and fs/namespace.c",
        "8ed936b5671b (\"vfs: Lazily remove mounts on unlinked files and directories.\"), 3.18",
    ),
    params={"unshared": tuple(UNSHARED), "change": CHANGES},
    shown_with={"unshared": "user and mount", "change": "remove the directory"},
    where=lambda unshared, change: unshared == "user and mount" or "directory" in change,
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("userns",),
    survivors={
        "drop unshare(*": "The mounts are in a mount namespace of its own by then; that they are locked too changes nothing,"
            " as is claimed.",
    },
)


def observe(lab, unshared, change):
    kind = change.split()[-1]
    for name in ("directory", "other directory", "cover"):
        lab.mkdir(name, 0o755)
    for name in ("file", "other file"):
        lab.file(name)
    inside = lab.fork("inside")
    inside.unshare(CLONE.NEWNS)
    # Covered in a namespace of its own: outside, it is no mountpoint.
    for name in ("directory", "file"):
        inside.mount("cover" if name == "directory" else "other file", name, None, MS.BIND, None)
    inside.unshare(UNSHARED[unshared])
    return {
        "by the sandbox": {"result": apply(inside, change, kind), "mounted": mounted(inside, kind)},
        "by its maker": {"result": apply(lab, change, kind), "mounted": mounted(inside, kind)},
        "seen under the old name": seen(inside, kind),
    }


def apply(process, change, kind):
    if "remove" in change:
        return process.attempt.rmdir(kind) if kind == "directory" else process.attempt.unlink(kind)
    if "rename" in change:
        return process.attempt.rename(kind, "new " + kind)
    return process.attempt.rename("other " + kind, kind)


def mounted(process, kind):
    return [name for name in (kind, "new " + kind) if process.attempt.mountinfo(name) == "ok"]


def seen(process, kind):
    result = process.attempt.access(kind, 0)
    return "the other" if result == "ok" else result
