"""The places that stay writable are mounts of their own: nothing can be renamed or linked from one to another (EXDEV).

Store and /tmp are bound onto themselves, so that they lie on the root's filesystem and yet on mounts of their own. rename(2)
and link(2) work within a mount only, although the inodes could be neighbours. A build that is to be moved from /tmp into
the store must be copied. Whether the place is read-only does not come into it: rename asks for one mount first, so that
EXDEV is what is answered for what leaves the read-only root as for what enters it. link asks the target first: EROFS there.

A copy is made by reading and writing, and copy_file_range(2) does that within a filesystem whatever mounts it is reached
through; between filesystems it has refused since 5.19 and stable updates before it (EXDEV), unless they offer it themselves.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, MS, RENAME, O

# How each place is mounted: on which filesystem, and whether read-only.
PLACES = {"/": ("machine", True), "/tmp": ("machine", False), "/gnu/store": ("machine", False), "/dev": ("dev", False)}
SETUP = [
    ("mount", "dev", "root/dev", "tmpfs", 0, "mode=755"),
    ("mount", "root/gnu/store", "root/gnu/store", None, MS.BIND | MS.REC, None),
    ("mount", "root/tmp", "root/tmp", None, MS.BIND | MS.REC, None),
    ("mount", "root", "root", None, MS.BIND | MS.REC, None),
]
REMOUNT = ("mount", None, "root", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)


def since_5_19(source, target):
    return table(source, target, "EXDEV")


def before_5_19(source, target):
    return table(source, target, "ok")


def table(source, target, between_filesystems):
    same = source == target
    read_only = PLACES[target][1]
    refused = "EROFS" if read_only else "ok"
    moved = refused if same else "EXDEV"
    copied = "ok" if PLACES[source][0] == PLACES[target][0] else between_filesystems
    return {
        "rename": moved, "rename a directory": moved, "exchange": moved,
        "link": "EROFS" if read_only else moved,
        "copy_file_range": "EROFS" if read_only else copied,
        "left at the source": [name for name, answer in (("directory", moved), ("file", moved)) if answer != "ok"],
    }


CASE = Case(
    claim="Between store, /tmp and a read-only root that were bound onto themselves rename and link are EXDEV, though they lie"
          " on one filesystem; link into the read-only root is EROFS before that.",
    cites=(
        "rename(2), 'ERRORS', EXDEV: not across mounts, even of the same filesystem; link(2), the same",
        "do_renameat2() and do_linkat() in fs/namei.c: filename_create() asks the target's mount for write access",
        "copy_file_range(2), 'ERRORS', EXDEV",
    ),
    params={"source": tuple(PLACES), "target": tuple(PLACES)},
    expect=(
        Rule(since_5_19, since="5.19", backports=("5.10.160", "5.15.53"),
             cites="868f9f2f8e00 (\"vfs: fix copy_file_range() regression in cross-fs copies\"), 5.19"),
        Rule(before_5_19, cites="5dae222a5ff0 (\"vfs: allow copy_file_range to copy across devices\"), 5.3"),
    ),
    survivors={
        'drop chdir("machine")': "Relative paths lead to the same files wherever they begin: the lab's directory would do as"
            " well.",
    },
)


def observe(lab, source, target):
    lab.tmpfs("machine")
    lab.chdir("machine")
    for path in ("root", "root/tmp", "root/gnu", "root/gnu/store", "root/dev"):
        lab.mkdir(path, 0o755)
    lab.values(SETUP)
    old, new = "root" + source.rstrip("/"), "root" + target.rstrip("/")
    for place in sorted({old, new}):
        lab.mkdir(place + "/directory", 0o755)
        for name in ("file", "linked", "exchanged", "other", "copied"):
            lab.file("%s/%s" % (place, name))
    lab.mkdir(new + "/for directories", 0o755)
    lab.values([REMOUNT])
    calls = {
        "rename": ("rename", old + "/file", new + "/renamed"),
        "rename a directory": ("rename", old + "/directory", new + "/for directories/directory"),
        "exchange": ("renameat2", AT_FDCWD, old + "/exchanged", AT_FDCWD, new + "/other", RENAME.EXCHANGE),
        "link": ("link", old + "/linked", new + "/new link"),
    }
    seen = dict(zip(calls, lab.batch(calls.values())))
    seen["copy_file_range"] = copied(lab, old + "/copied", new + "/other")
    seen["left at the source"] = [name for name in lab.list_directory(old) if name in ("file", "directory")]
    return seen


def copied(lab, old, new):
    reading = lab.open(old, 0, 0)
    writing, error = lab.issue("open", [new, O.WRONLY, 0])
    return error or lab.attempt.copy_file_range(reading, writing, 16, 0)
