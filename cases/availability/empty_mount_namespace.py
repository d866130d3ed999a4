"""unshare(UNSHARE_EMPTY_MNTNS) gives a mount namespace with nothing in it but an empty, immutable directory (7.1).

A sandbox that builds its mounts from scratch has no use for a copy of the caller's, and no way to forget to unmount one of
them. In the empty namespace `/` is the nullfs that every namespace has at its bottom since 7.0. Nothing can be made in it,
even by root, and the errno is a surprise: ENOENT for mkdir and O_CREAT, not EPERM, as the lookup of any name in it fails
before anybody asks for permission; chmod is EPERM. Root and working directory are moved there. The way on is to mount
a filesystem on it; the process does not see that by itself, as its root stays what is covered, and enters it by the
descriptor of the mount: fchdir and chroot.

Descriptors that were opened before still lead to the old tree: they are what a sandbox has to close. The flag has the number
of CLONE_PARENT_SETTID, which means nothing to unshare(2); older kernels say EINVAL.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, CLONE, FSCONFIG, MOVE_MOUNT, UNSHARE, O
from ksem.guest.lab import GROUP, OWNER

WORKS = {
    "unshare": "ok",
    "root": [],
    "working directory": [],
    "mkdir": "ENOENT",
    "create": "ENOENT",
    "chmod": "EPERM",
    "old path": "ENOENT",
    "old path by a descriptor": "ok",
    "mount on it": "ok",
    "root is still covered": [],
    "after fchdir and chroot": ["made"],
}

CASE = Case(
    claim="unshare(UNSHARE_EMPTY_MNTNS) gives a mount namespace that holds nothing but an immutable directory (7.1).",
    cites=(
        "copy_mnt_ns() in fs/namespace.c, unshare_nsproxy_namespaces() in kernel/nsproxy.c",
        "fs/nullfs.c; empty_dir_lookup() and empty_dir_setattr() in fs/libfs.c",
    ),
    params={"caller": ("root", "root of a user namespace")},
    expect=(
        Rule(WORKS, since="7.1", cites="9d4e752a24f7 (\"namespace: allow creating empty mount namespaces\"), 7.1"),
        Rule({"unshare": "EINVAL"}),
    ),
    needs=lambda caller: ("root",) + (("userns",) if caller != "root" else ()),
    documented="unshare(2) of man-pages 6.03 does not know the flag.",
)


def observe(lab, caller):
    lab.mkdir("directory", 0o755)
    lab.file("directory/file")
    process = lab.fork("process") if caller == "root" else lab.mapped("process", {0: OWNER}, {0: GROUP})
    held = process.open("directory", O.PATH, 0)
    seen = {"unshare": process.attempt.unshare(CLONE.NEWNS | UNSHARE.EMPTY_MNTNS)}
    if seen["unshare"] != "ok":
        return seen
    names = ("root", "working directory", "mkdir", "create", "chmod", "old path", "old path by a descriptor")
    seen.update(zip(names, process.batch([
        ("list_directory", "/"), ("list_directory", "."), ("mkdir", "/made", 0o755), ("try_open", "/made", O.CREAT | O.WRONLY),
        ("chmod", "/", 0o777), ("try_open", "/tmp/directory/file", 0), ("openat", held, "file", 0, 0),
    ])))
    context = process.fsopen("tmpfs", 0)
    process.fsconfig(context, FSCONFIG.CMD_CREATE, None, None, 0)
    mount = process.fsmount(context, 0, 0)
    seen["mount on it"] = process.attempt.move_mount(mount, "", AT_FDCWD, "/", MOVE_MOUNT.F_EMPTY_PATH)
    seen["root is still covered"] = process.list_directory("/")
    process.values([("fchdir", mount), ("chroot", "."), ("mkdir", "/made", 0o755)])
    seen["after fchdir and chroot"] = process.list_directory("/")
    return seen
