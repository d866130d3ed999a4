"""MOVE_MOUNT_BENEATH (6.5) puts a mount below the one on top, so that a mount can be replaced without a gap.

To replace what is mounted on a path one had either to unmount first, when for a moment the path shows what lies
underneath, or to mount on top, when the old mount stays busy below for ever. With MOVE_MOUNT_BENEATH the new mount slips
in between; unmounting the top one then uncovers it. Older kernels refuse the flag (EINVAL), and the stack stays as it is.

It takes a mount point to slip below: on a directory that is none, it is EINVAL on every kernel, and so it is together
with MOVE_MOUNT_SET_GROUP, of which the kernel says nothing more.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, MOVE_MOUNT, OPEN_TREE

BENEATH = MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.BENEATH


def expected(works):
    return {
        "below a directory that is no mount point": "EINVAL",
        "together with MOVE_MOUNT_SET_GROUP": "EINVAL",
        "below the mount": "ok" if works else "EINVAL",
        "shown on top": ["old"],
        "stack": 2 if works else 1,
        "after the top is unmounted": ["new"] if works else [],
    }


CASE = Case(
    claim="MOVE_MOUNT_BENEATH puts a mount below the topmost one of a path (6.5).",
    cites=("move_mount(2), MOVE_MOUNT_BENEATH", "can_move_mount_beneath() in fs/namespace.c"),
    expect=(
        Rule(expected(works=True), since="6.5", cites="6ac392815628 (\"fs: allow to mount beneath top mount\"), 6.5"),
        Rule(expected(works=False)),
    ),
)


def observe(lab):
    for name in ("new", "place"):
        lab.tmpfs(name)
        lab.file(name + "/" + {"new": "new", "place": "old"}[name])
    lab.mkdir("plain", 0o755)
    tree = lab.open_tree(AT_FDCWD, "new", OPEN_TREE.CLONE)
    seen = {
        "below a directory that is no mount point": lab.attempt.move_mount(tree, "", AT_FDCWD, "plain", BENEATH),
        "together with MOVE_MOUNT_SET_GROUP": lab.attempt.move_mount(
            tree, "", AT_FDCWD, "place", BENEATH | MOVE_MOUNT.SET_GROUP),
        "below the mount": lab.attempt.move_mount(tree, "", AT_FDCWD, "place", BENEATH),
        "shown on top": lab.list_directory("place"),
        "stack": lab.mounts_below("place").count("."),
    }
    lab.umount2("place", 0)
    seen["after the top is unmounted"] = lab.list_directory("place")
    return seen
