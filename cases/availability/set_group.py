"""move_mount(MOVE_MOUNT_SET_GROUP) puts a mount into the peer group of another, after it was made (5.15).

Propagation groups were decided by how mounts were copied: who restores a tree of mounts, or assembles one from detached
copies, had to do it in just the order in which the groups would come out right. With the flag a private mount joins the group
of one that is shared, and becomes its slave too where that is one. Nothing is moved. Both must be of the same filesystem, the
target below what the source shows (EINVAL), and the target must not be shared yet (EINVAL). Older kernels do not know the
flag (EINVAL).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, MOVE_MOUNT, MS


def expected(works):
    return {
        "from a private mount": "EINVAL",
        "to another filesystem": "EINVAL",
        "joined": "ok" if works else "EINVAL",
        "propagation": "shared" if works else "private",
        "mounted beside it": works,
        "again": "EINVAL",
    }


CASE = Case(
    claim="MOVE_MOUNT_SET_GROUP lets a private mount join the peer group of a shared one (5.15).",
    cites=("move_mount(2), MOVE_MOUNT_SET_GROUP", "do_set_group() in fs/namespace.c"),
    expect=(
        Rule(expected(True), since="5.15", backports=("5.10.241",),
             cites="9ffb14ef61ba (\"move_mount: allow to add a mount into an existing group\"), 5.15"),
        Rule(expected(False)),
    ),
)


def observe(lab):
    for name in ("source", "strange"):
        lab.tmpfs(name)
    lab.mkdir("source/directory", 0o755)
    lab.bind("source", "target")
    lab.bind("source", "private")
    lab.mount(None, "source", None, MS.SHARED, None)
    seen = {"from a private mount": join(lab, "private", "target"), "to another filesystem": join(lab, "source", "strange"),
            "joined": join(lab, "source", "target"), "propagation": lab.mountinfo("target")["propagation"][0]}
    lab.mount("new", "source/directory", "tmpfs", 0, None)
    seen["mounted beside it"] = "directory" in lab.mounts_below("target")
    seen["again"] = join(lab, "source", "target")
    return seen


def join(lab, source, target):
    return lab.attempt.move_mount(AT_FDCWD, source, AT_FDCWD, target, MOVE_MOUNT.SET_GROUP)
