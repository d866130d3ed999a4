"""A mount that is handed into a sandbox by descriptor is not locked: neither its flags nor what is mounted on it.

Locks are made when mounts are copied into a namespace of another user namespace, or propagate there. A detached tree,
made outside with open_tree(2) and passed on as a descriptor, does neither: the sandbox attaches it with move_mount(2)
as its own mount. It can then take read-only, nosuid, nodev and noexec off, with mount(2) once it is attached or with
mount_setattr(2) even before, and unmount what lies on it.

So whoever passes mounts into a sandbox and wants their flags kept has to lock them: by attaching them before the
namespace is copied. The same tree inherited that way is shown beside it.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MOVE_MOUNT, MS, OPEN_TREE
from ksem.guest.lab import mount_flags, mount_options

ATTRIBUTES = {"ro": MOUNT_ATTR.RDONLY, "nosuid": MOUNT_ATTR.NOSUID, "nodev": MOUNT_ATTR.NODEV, "noexec": MOUNT_ATTR.NOEXEC}


def expected(flag, by):
    free = {"result": "ok", "flags": mount_options([]), "unmount what is on it": "ok", "what it covered": "ok"}
    locked = {"result": "EPERM", "flags": mount_options([flag]), "unmount what is on it": "EINVAL", "what it covered": "ENOENT"}
    return {"inherited": locked, "handed in": dict(free, attach="ok")}


CASE = Case(
    claim="A detached mount tree that a sandbox is given by descriptor is not locked: it can take the flags off and unmount"
          " what lies on it.",
    cites=(
        "lock_mnt_tree() in fs/namespace.c: called by copy_mnt_ns(), and by attach_recursive_mnt() for what propagates",
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "move_mount(2): attaching a mount object of open_tree(2)",
    ),
    params={"flag": tuple(ATTRIBUTES), "by": ("mount", "mount_setattr", "mount_setattr while detached")},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=lambda flag, by: ("userns", "syscall:open_tree") + (("syscall:mount_setattr",) if "setattr" in by else ()),
    documented="mount_namespaces(7) says how mounts become locked, and nothing of mounts that come as descriptors.",
)


def observe(lab, flag, by):
    lab.tmpfs("tree")
    lab.mkdir("tree/cover", 0o755)
    lab.mkdir("tree/cover/secret", 0o755)
    lab.mount("tmpfs", "tree/cover", "tmpfs", 0, "mode=755")
    lab.mount(None, "tree", None, MS.REMOUNT | MS.BIND | mount_flags([flag]), None)
    lab.mkdir("place", 0o755)
    tree = lab.open_tree(AT_FDCWD, "tree", OPEN_TREE.CLONE | AT.RECURSIVE)
    lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
    inherited = undone(lab, take_off(lab, flag, "mount_setattr" if "setattr" in by else by, "tree"), "tree")
    early = take_off_detached(lab, flag, tree) if "detached" in by else None
    attach = lab.attempt.move_mount(tree, "", AT_FDCWD, "place", MOVE_MOUNT.F_EMPTY_PATH)
    lab.close(tree)
    result = early or take_off(lab, flag, by, "place")
    return {"inherited": inherited, "handed in": dict(undone(lab, result, "place"), attach=attach)}


def take_off(lab, flag, by, path):
    if by == "mount":
        return lab.attempt.mount(None, path, None, MS.REMOUNT | MS.BIND, None)
    return lab.attempt.mount_setattr(AT_FDCWD, path, 0, {"attr_clr": ATTRIBUTES[flag]})


def take_off_detached(lab, flag, tree):
    return lab.attempt.mount_setattr(tree, "", AT.EMPTY_PATH, {"attr_clr": ATTRIBUTES[flag]})


def undone(lab, result, path):
    return {"result": result, "flags": sorted(lab.mountinfo(path)["flags"]),
            "unmount what is on it": lab.attempt.umount2(path + "/cover", 0),
            "what it covered": lab.attempt.access(path + "/cover/secret", 0)}
