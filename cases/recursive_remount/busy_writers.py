"""A file open for writing keeps its mount, and its filesystem, from becoming read-only: EBUSY, and nothing changes.

The kernel counts writers for each mount. A remount with MS_BIND and mount_setattr(2) ask the one mount (or each of the
tree): somebody who writes through another mount of the same filesystem does not hinder it, and goes on writing. A
remount of the filesystem (MS_REMOUNT alone) asks all mounts of it, wherever they are, and also whether an unlinked file
is still open, even for reading only: its removal would have to be written.

With AT_RECURSIVE one writer anywhere in the tree is enough to change nothing in it.

What counts is a regular file open for writing, whether or not anything is written. An open directory, a file open for
reading or with O_PATH, and a fifo open for writing (its data never reaches the filesystem) do not count.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, MOUNT_ATTR, MS, O, S

# What is held open: through which mount, which file, with which flags; and what that writes to.
HELD = {
    "file for writing": ("top/file", O.WRONLY, "mount"),
    "file for appending": ("top/file", O.WRONLY | O.APPEND, "mount"),
    "file for reading": ("top/file", 0, ""),
    "file with O_PATH": ("top/file", O.PATH, ""),
    "directory": ("top/directory", O.DIRECTORY, ""),
    "fifo for writing": ("top/fifo", O.RDWR, ""),
    "unlinked file for reading": ("top/doomed", 0, "unlinked"),
    "file for writing through another mount": ("elsewhere/file", O.WRONLY, "filesystem"),
    "file for writing in a bind below": ("top/bind/file", O.WRONLY, "below, same filesystem"),
    "file for writing in another filesystem below": ("top/other/file", O.WRONLY, "below"),
}
MOUNTS = ("top", "top/bind", "top/other", "elsewhere")
READ_ONLY = {"attr_set": MOUNT_ATTR.RDONLY}
CALLS = {
    "mount": {"MS_REMOUNT|MS_BIND": ("mount", None, "top", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None),
              "MS_REMOUNT": ("mount", None, "top", None, MS.REMOUNT | MS.RDONLY, None)},
    "mount_setattr": {"mount_setattr": ("mount_setattr", AT_FDCWD, "top", 0, READ_ONLY),
                      "mount_setattr AT_RECURSIVE": ("mount_setattr", AT_FDCWD, "top", AT.RECURSIVE, READ_ONLY)},
}
WRITABLE_AGAIN = [("mount", None, path, None, MS.REMOUNT | extra, None)
                  for path, extra in (("top", 0), ("top/bind", MS.BIND), ("top/other", MS.BIND), ("elsewhere", MS.BIND))]


def expected(held, by, fs):
    writes = HELD[held][2]
    busy = {
        "MS_REMOUNT|MS_BIND": writes == "mount",
        "mount_setattr": writes == "mount",
        "mount_setattr AT_RECURSIVE": writes in ("mount", "below", "below, same filesystem"),
        "MS_REMOUNT": writes in ("mount", "filesystem", "below, same filesystem", "unlinked"),
    }
    return {call: {"held": refused(call) if busy[call] else changed(call), "released": changed(call)} for call in CALLS[by]}


def refused(call):
    return {"result": "EBUSY", "read-only": []}


def changed(call):
    reached = {"mount_setattr AT_RECURSIVE": ["top", "top/bind", "top/other"], "MS_REMOUNT": ["top", "top/bind", "elsewhere"]}
    return {"result": "ok", "read-only": reached.get(call, ["top"])}


CASE = Case(
    claim="A file open for writing through a mount refuses read-only to that mount, to any tree that holds it and to its"
          " filesystem (EBUSY, nothing changed), and to nothing else.",
    cites=(
        "mount(2), 'ERRORS', EBUSY: a filesystem to be remounted read-only holds files open for writing",
        "mount_setattr(2), 'ERRORS', EBUSY",
        "mnt_hold_writers() and mount_setattr_prepare() in fs/namespace.c; sb_prepare_remount_readonly() there for all mounts"
        " of a filesystem, and s_remove_count for unlinked files",
        "4ed5e82fe77f (\"vfs: protect remounting superblock read-only\"), 3.3",
    ),
    params={"held": tuple(HELD), "by": tuple(CALLS), "fs": ("tmpfs", "ext4", "overlay")},
    shown_with={"held": "file for writing", "by": "mount", "fs": "tmpfs"},
    # Only a remount of the filesystem asks the filesystem.
    where=lambda held, by, fs: fs == "tmpfs" or (by == "mount" and HELD[held][2] in ("mount", "filesystem", "unlinked")),
    expect=expected,
    needs=lambda held, by, fs: (("syscall:mount_setattr",) if by == "mount_setattr" else ())
    + (() if fs == "tmpfs" else ("root", "fs:" + fs)),
    documented="mount(2) speaks of files open for writing; an unlinked file that is open for reading counts as well.",
    survivors={
        'drop mount(NULL, "*", NULL, MS_REMOUNT*': "Whatever was made read-only is made writable again; not every call got"
            " that far.",
    },
)


def observe(lab, held, by, fs):
    build(lab, fs)
    path, flags, writes = HELD[held]
    descriptor = lab.open(path, flags, 0)
    if writes == "unlinked":
        lab.unlink(path)
    calls = CALLS[by]
    while_held = {name: tried(lab, call) for name, call in calls.items()}
    lab.close(descriptor)
    return {name: {"held": while_held[name], "released": tried(lab, call)} for name, call in calls.items()}


def build(lab, fs):
    """A filesystem with a bind of itself below it and one elsewhere, and another filesystem below."""
    lab.filesystem(fs, "top")
    lab.mkdir("top/directory", 0o755)
    lab.mknod("top/fifo", S.IFIFO | 0o644, 0)
    for path in ("top/file", "top/doomed", "top/directory/file"):
        lab.file(path)
    lab.bind("top/directory", "top/bind")
    lab.bind("top", "elsewhere")
    lab.tmpfs("top/other")
    lab.file("top/other/file")


def tried(lab, call):
    """Make it read-only, ask each mount, and undo it."""
    files = [("try_open", path + "/file", O.WRONLY) for path in MOUNTS]
    result, *writes = lab.batch([call, *files])
    lab.values(WRITABLE_AGAIN)
    return {"result": result, "read-only": [path for path, write in zip(MOUNTS, writes) if write == "EROFS"]}
