"""Mounts and unmounts propagate, flags do not: what is made read-only on a shared mount is so on that mount alone.

Peers and slaves get every mount that is made below one of them. They do not get its flags, by whatever call those are
changed: mount(2), mount_setattr(2), recursive or not. Only a remount of the filesystem reaches them, because they are the
same filesystem, and then all of them alike.

A mount that is made later arrives with the flags that it was made with. So on a machine with shared mounts nothing is
read-only that was only remounted in another namespace.
"""

from ksem.guest.case import Broken, Case
from ksem.guest.flags import AT, AT_FDCWD, MOUNT_ATTR, MS, O
from ksem.guest.lab import mount_options

READ_ONLY = {"attr_set": MOUNT_ATTR.RDONLY}
CALLS = {
    "MS_REMOUNT|MS_BIND": ("mount", None, "changed", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None),
    "MS_REMOUNT": ("mount", None, "changed", None, MS.REMOUNT | MS.RDONLY, None),
    "mount_setattr AT_RECURSIVE": ("mount_setattr", AT_FDCWD, "changed", AT.RECURSIVE, READ_ONLY),
}
OTHERS = ("peer", "slave", "master", "unrelated")
# What the one that was bound to the other shows in mountinfo.
SECOND = {"slave": "master", "master": "master", "unrelated": "private"}


def expected(call, other):
    whole = call == "MS_REMOUNT"
    arrives = other in ("peer", "slave")
    below = ["ro"] if "RECURSIVE" in call else []
    return {
        "result": "ok",
        "changed": {"flags": mount_options(["ro"]), "write": "EROFS"},
        "the mount below it": {"flags": mount_options(below), "write": "EROFS" if below else "ok"},
        "the other": {"flags": mount_options([]), "write": "EROFS" if whole else "ok"},
        "the mount below that": {"flags": mount_options([]), "write": "ok"} if arrives else "ENOENT",
        "a later mount there": {"flags": mount_options(["nosuid"]), "write": "ok"} if arrives else "ENOENT",
    }


CASE = Case(
    claim="Flags of a shared mount do not propagate to its peers and slaves, also not with AT_RECURSIVE; a mount that"
          " propagates brings the flags of its making.",
    cites=(
        "mount_namespaces(7), 'SHARED SUBTREES'",
        "Documentation/filesystems/sharedsubtree.rst",
        "do_reconfigure_mnt() and do_mount_setattr() in fs/namespace.c: no call of propagate_mnt()",
    ),
    params={"call": tuple(CALLS), "other": OTHERS},
    expect=expected,
    needs=lambda call, other: ("syscall:mount_setattr",) if "setattr" in call else (),
    documented="mount(2) and mount_namespaces(7) do not say that flags are not propagated.",
)


def observe(lab, call, other):
    top, second = ("other", "changed") if other == "master" else ("changed", "other")
    lab.tmpfs(top)
    for name in ("below", "later"):
        lab.mkdir("%s/%s" % (top, name), 0o755)
    lab.file(top + "/file")
    lab.mount(None, top, None, MS.SHARED, None)
    lab.bind(top, second)
    if other in ("slave", "master"):
        lab.mount(None, second, None, MS.SLAVE, None)
    elif other == "unrelated":
        lab.mount(None, second, None, MS.PRIVATE, None)
    if lab.mountinfo(second)["propagation"] != [SECOND.get(other, "shared")]:
        raise Broken("the two are not what they should be to each other")
    lab.mount("tmpfs", "changed/below", "tmpfs", 0, "mode=755")
    lab.file("changed/below/file")
    result = lab.batch([CALLS[call]])[0]
    lab.mount("tmpfs", "changed/later", "tmpfs", MS.NOSUID, "mode=755")
    lab.file("changed/later/file")
    return {"result": result, "changed": look(lab, "changed"), "the mount below it": look(lab, "changed/below"),
            "the other": look(lab, "other"), "the mount below that": look(lab, "other/below"),
            "a later mount there": look(lab, "other/later")}


def look(lab, path):
    mount, write = lab.batch([("mountinfo", path), ("try_open", path + "/file", O.WRONLY)])
    return mount if isinstance(mount, str) else {"flags": sorted(mount["flags"]), "write": write}
