"""pivot_root(2) works on the kernel's first root filesystem since 7.0; before, that one could not be left (EINVAL).

The initramfs is unpacked into rootfs, which was the bottom of every mount namespace: a mount with no parent, and
pivot_root has to put the new root where the old one was. So an initramfs had to delete its own files, move the new root over
itself and chroot (switch_root), and container runtimes in a machine that lives in its initramfs need a special
way (no_pivot), where what they chroot out of stays reachable for who has CAP_SYS_ADMIN. Since 7.0 there is an empty, immutable
nullfs underneath, and rootfs is a mount on it like any other: it can be pivoted away from and unmounted.

The case goes down there in a mount namespace of its own: it detaches the `/` that lies on rootfs and enters its own namespace
again with setns(2), which leads to the topmost mount that is left.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, CLONE, FSCONFIG, MNT, MOVE_MOUNT, O


def expected(works):
    result = "ok" if works else "EINVAL"
    return {
        "pivot_root": result,
        "old root unmounted": "ok" if works else "not tried",
        "at the root": ["made"] if works else [],
    }


CASE = Case(
    claim="pivot_root can leave rootfs, where the initramfs is, since 7.0; before, it is EINVAL.",
    cites=(
        "pivot_root(2), 'NOTES': the rootfs cannot be pivot_root()ed",
        "path_pivot_root() in fs/namespace.c: mnt_has_parent(root_mnt)",
        "576ee5dfd459 (\"fs: add immutable rootfs\"), 7.0",
    ),
    expect=(
        Rule(expected(works=True), since="7.0",
             cites="313c47f4fe4d (\"fs: use nullfs unconditionally as the real rootfs\"), 7.0"),
        Rule(expected(works=False)),
    ),
    needs=("root",),
    documented="pivot_root(2) says that rootfs cannot be pivoted away from; since 7.0 it can.",
    survivors={
        "drop unshare(CLONE_NEWNS)": "The case is in a mount namespace of its own anyway; in another the lab keeps its root.",
        'drop umount2("/"*': "Where pivot_root works anywhere, since 7.0, it is no matter what lies on rootfs; before, it is"
            " noticed.",
    },
)


def observe(lab):
    process = lab.fork("process")
    process.unshare(CLONE.NEWNS)
    namespace = process.open("/proc/self/ns/mnt", 0, 0)
    context = process.fsopen("tmpfs", 0)
    process.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    mount = process.fsmount(context, 0, 0)
    process.openat(mount, "made", O.CREAT | O.WRONLY, 0o644)
    process.umount2("/", MNT.DETACH)
    process.setns(namespace, CLONE.NEWNS)
    process.move_mount(mount, "", AT_FDCWD, "/", MOVE_MOUNT.F_EMPTY_PATH)
    process.fchdir(mount)
    seen = {"pivot_root": process.attempt.pivot_root(".", "."), "old root unmounted": "not tried"}
    if seen["pivot_root"] == "ok":
        # The old root lies on top of the new one.
        seen["old root unmounted"] = process.attempt.umount2(".", MNT.DETACH)
    seen["at the root"] = [name for name in process.list_directory("/") if name == "made"]
    return seen
