"""MOVE_MOUNT_BENEATH can put a filesystem below the root of a mount namespace since 7.1; before, it is EINVAL.

That replaces the root without pivot_root(2): the new root slips under the old one, and unmounting `/` uncovers it. There is no
moment without a root, and no directory in the new one is needed to put the old one on. Every process whose root is the old
one keeps it; the caller goes on by its descriptor of the new root, with fchdir and chroot.

The root that is meant is what `/` resolves to, which must be the top of what is mounted at its place.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, CLONE, FSCONFIG, MNT, MOVE_MOUNT, O


def expected(works):
    result = "ok" if works else "EINVAL"
    return {"beneath the root": result, "seen at the root so far": False,
            "old root unmounted": "ok" if works else "not tried", "after chroot": ["made"] if works else "not tried"}


CASE = Case(
    claim="MOVE_MOUNT_BENEATH works on the root of a mount namespace since 7.1.",
    cites=("can_move_mount_beneath() and where_to_mount() in fs/namespace.c",),
    expect=(
        Rule(expected(works=True), since="7.1",
             cites="ccfac16e0be5 (\"move_mount: allow MOVE_MOUNT_BENEATH on the rootfs\"), 7.1"),
        Rule(expected(works=False)),
    ),
    needs=("root",),
    survivors={
        "drop unshare(CLONE_NEWNS)": "The case is in a mount namespace of its own anyway; in another the lab keeps its root.",
    },
)


def observe(lab):
    process = lab.fork("process")
    process.unshare(CLONE.NEWNS)
    context = process.fsopen("tmpfs", 0)
    process.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    mount = process.fsmount(context, 0, 0)
    process.openat(mount, "made", O.CREAT | O.WRONLY, 0o644)
    seen = {
        "beneath the root": process.attempt.move_mount(
            mount, "", AT_FDCWD, "/", MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.BENEATH),
        "seen at the root so far": "made" in process.list_directory("/"),
        "old root unmounted": "not tried", "after chroot": "not tried",
    }
    if seen["beneath the root"] == "ok":
        seen["old root unmounted"] = process.attempt.umount2("/", MNT.DETACH)
        process.values([("fchdir", mount), ("chroot", ".")])
        seen["after chroot"] = process.list_directory("/")
    return seen
