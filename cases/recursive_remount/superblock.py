"""A remount without MS_BIND makes the filesystem read-only: everywhere it is mounted, and nowhere else.

Whoever saw that "remounting made everything below read-only" may have seen this. MS_REMOUNT alone changes the
superblock, so a write is refused through every mount of that filesystem: binds below the target, binds elsewhere, binds
that are read-write by their own flags, which is all that the first list of options in mountinfo shows. Mounts of
other filesystems below the target stay writable, with MS_REC or without.

It also replaces the flags of the one mount that it was called on. Undoing it through another mount therefore leaves
that first mount read-only.

With MS_BIND the same call changes the one mount and leaves the filesystem alone.

Only who has CAP_SYS_ADMIN in the user namespace that the filesystem was mounted in may do the former: after one more
unshare it is EPERM, while the latter still works on the copied mounts. A sandbox may do it to what it has mounted
itself, until it unshares once more.

It is the same for filesystems in memory, on disks and for an overlay.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MS, O

MOUNTS = {
    "target": "top",
    "bind of the filesystem below": "top/bind",
    "other filesystem below": "top/other",
    "bind of the filesystem elsewhere": "elsewhere",
}
WHERE = ("same user namespace", "new user namespace", "a sandbox that mounted it", "new user namespace in that sandbox")
KINDS = {"MS_REMOUNT": MS.REMOUNT, "MS_REMOUNT|MS_REC": MS.REMOUNT | MS.REC,
         "MS_REMOUNT|MS_BIND": MS.REMOUNT | MS.BIND, "MS_REMOUNT|MS_BIND|MS_REC": MS.REMOUNT | MS.BIND | MS.REC}


def expected(remount, where, fs):
    bind = "MS_BIND" in remount
    refused = where.startswith("new user namespace") and not bind
    mounts = {name: mount_of(mount="rw", superblock="rw") for name in MOUNTS}
    if not refused:
        filesystem = "rw" if bind else "ro"
        mounts = {name: mount_of(mount="rw", superblock="rw" if name == "other filesystem below" else filesystem)
                  for name in MOUNTS}
        mounts["target"] = mount_of(mount="ro", superblock=filesystem)
    back = {name: mount_of(mount="rw", superblock="rw") for name in MOUNTS}
    if not refused:
        back["target"] = mount_of(mount="ro", superblock="rw")
    result = "EPERM" if refused else "ok"
    return {"to read-only": dict(mounts, result=result), "undone through the bind elsewhere": dict(back, result=result)}


def mount_of(mount, superblock):
    return {"mount": mount, "superblock": superblock, "write": "EROFS" if "ro" in (mount, superblock) else "ok"}


CASE = Case(
    claim="MS_REMOUNT|MS_RDONLY without MS_BIND makes one filesystem read-only wherever it is mounted, and no other"
          " filesystem below.",
    cites=(
        "mount(2), 'Remounting an existing mount'",
        "do_remount() and reconfigure_super() in fs/namespace.c and fs/super.c",
        "__mnt_is_readonly() in fs/namespace.c: a mount is read-only by its own flag or by its superblock's",
        "43f5e655eff7 (\"vfs: Separate changing mount flags full remount\"), 5.0",
    ),
    params={"remount": tuple(KINDS), "where": WHERE, "fs": ("tmpfs", "ext4", "xfs", "btrfs", "overlay")},
    shown_with={"remount": "MS_REMOUNT", "where": "same user namespace", "fs": "tmpfs"},
    # Whose namespace it is does not depend on the filesystem, and what MS_REC does not either.
    where=lambda remount, where, fs: fs == "tmpfs" or (where == "same user namespace" and remount == "MS_REMOUNT"),
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=lambda remount, where, fs: (("userns",) if where != "same user namespace" else ())
    + (() if fs == "tmpfs" else ("root", "fs:" + fs)),
    survivors={
        "drop lab.enter_sandbox": "What counts is the namespace that is made last, whoever makes it.",
    },
)


def observe(lab, remount, where, fs):
    if "sandbox" in where:
        lab.enter_sandbox()
    build(lab, fs)
    lab.unshare(CLONE.NEWNS | (CLONE.NEWUSER if where.startswith("new user namespace") else 0))
    # In this namespace a user without a mapping still owns what it made, and may write to it.
    observation = {}
    result = lab.attempt.mount(None, "top", None, KINDS[remount] | MS.RDONLY, None)
    observation["to read-only"] = dict(look(lab), result=result)
    result = lab.attempt.mount(None, "elsewhere", None, KINDS[remount], None)
    observation["undone through the bind elsewhere"] = dict(look(lab), result=result)
    return observation


def build(lab, fs):
    lab.filesystem(fs, "top")
    lab.mkdir("top/directory", 0o755)
    lab.file("top/file")
    lab.file("top/directory/file")
    lab.bind("top/directory", "top/bind")
    lab.bind("top", "elsewhere")
    lab.tmpfs("top/other")
    lab.file("top/other/file")


def look(process):
    mounts = {}
    for name, path in MOUNTS.items():
        seen = process.mountinfo(path)
        mounts[name] = {"mount": "ro" if "ro" in seen["flags"] else "rw", "superblock": seen["superblock"],
                        "write": process.try_open(path + "/file", O.WRONLY)}
    return mounts
