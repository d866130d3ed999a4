"""Root of a user namespace may mount a few kinds of filesystems, and some of those only with a further namespace of its own.

A kind must be marked for it (FS_USERNS_MOUNT), because its code was not written against a mounter who means ill. What
shows or changes something that belongs to another namespace takes CAP_SYS_ADMIN over that: procfs a pid namespace, sysfs
a network namespace, mqueue an IPC namespace, cgroup2 a cgroup namespace. So they come after one more unshare, which
root of a user namespace is always free to do. tmpfs, ramfs, devpts and FUSE belong to whoever mounts them.

Everything that lies on a disk, and the kernel's own inner views, are for the machine's root alone (EPERM); so is bpf.
"""

from ksem.guest import disks
from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE, MNT, O, S
from ksem.guest.lab import GROUP, OWNER

ALONE = ("tmpfs", "ramfs", "devpts", "fuse", "overlay", "binfmt_misc")
WITH_NAMESPACE = ("proc", "sysfs", "mqueue", "cgroup2")
NEVER = ("bpf", "devtmpfs", "debugfs", "securityfs", "ext4")
OTHERS = CLONE.NEWPID | CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWCGROUP
DATA = {"overlay": "lowerdir=lower:other", "fuse": "fd=%d,rootmode=40000,user_id=0,group_id=0"}


def since_6_7(fs):
    return {"the machine's root": "ok", "in user and mount namespaces": "ok" if fs in ALONE else "EPERM",
            "with all the others": "EPERM" if fs in NEVER else "ok"}


def never(fs):
    return {"the machine's root": "ok", "in user and mount namespaces": "EPERM", "with all the others": "EPERM"}


def since_5_11(fs):
    return never(fs) if fs == "binfmt_misc" else since_6_7(fs)


def before_5_11(fs):
    return never(fs) if fs == "overlay" else since_5_11(fs)


CASE = Case(
    claim="In a user namespace tmpfs, ramfs, devpts, FUSE, overlay (5.11) and binfmt_misc (6.7) can be mounted; procfs, sysfs,"
          " mqueue and cgroup2 with a namespace of one's own; all else is EPERM.",
    cites=(
        "user_namespaces(7), 'Effect of capabilities within a user namespace'",
        "mount_capable() in fs/super.c: FS_USERNS_MOUNT, and CAP_SYS_ADMIN over the user namespace of the context",
        "proc_init_fs_context(), sysfs_init_fs_context(), mqueue_init_fs_context() and cgroup_init_fs_context(): the user"
        " namespace is that of the mounter's pid, network, IPC or cgroup namespace",
        "bpf_fill_super() in kernel/bpf/inode.c",
    ),
    params={"fs": ALONE + WITH_NAMESPACE + NEVER},
    expect=(
        Rule(since_6_7, since="6.7", cites="21ca59b365c0 (\"binfmt_misc: enable sandboxed mounts\"), 6.7"),
        Rule(since_5_11, since="5.11", cites="459c7c565ac3 (\"ovl: unprivieged mounts\"), 5.11"),
        Rule(before_5_11),
    ),
    options=("CONFIG_USER_NS", "CONFIG_PID_NS", "CONFIG_NET_NS", "CONFIG_IPC_NS", "CONFIG_CGROUPS"),
    needs=lambda fs: ("root", "userns", "fs:" + fs),
    documented="user_namespaces(7) knows procfs, sysfs, devpts, tmpfs, ramfs, mqueue, bpf and overlay; bpf cannot be mounted"
               " there, and FUSE and binfmt_misc can.",
    survivors={
        'drop mount("proc", "whole"*': "The machine's own is in full view here; where something lies on it, it is noticed.",
        'drop mount("sysfs", "whole"*': "The machine's own is in full view here; where something lies on it, it is noticed.",
    },
)


def observe(lab, fs):
    for name in ("place", "lower", "other", "whole"):
        lab.mkdir(name, 0o755)
    # Not the one in /dev, which udev opens to all where there is udev.
    lab.values([("mknod", "fuse", S.IFCHR | 0o666, 10 << 8 | 229), ("chmod", "fuse", 0o666)])
    if fs in ("proc", "sysfs"):
        # One has to be there in full view.
        lab.mount(fs, "whole", fs, 0, None)
    seen = {"the machine's root": tried(lab, fs)}
    inside = lab.mapped("inside", {0: OWNER}, {0: GROUP})
    inside.unshare(CLONE.NEWNS)
    seen["in user and mount namespaces"] = tried(inside, fs)
    inside.unshare(OTHERS)
    # A pid namespace is entered by the next child.
    seen["with all the others"] = tried(inside.fork("child"), fs)
    return seen


def tried(process, fs):
    data = DATA.get(fs)
    descriptor = -1
    if fs == "fuse":
        descriptor = process.open("fuse", O.RDWR, 0)
        data = data % descriptor
    result = process.attempt.mount(disks.device(fs) if fs in disks.FILESYSTEMS else fs, "place", fs, 0, data)
    if fs == "fuse":
        process.close(descriptor)
    if result == "ok":
        process.umount2("place", MNT.DETACH)
    return result
