"""open_tree_attr(2) clones a mount tree and gives the clone its attributes in one call (6.15).

The clone exists with its attributes from the start: there is no descriptor of a writable one that has yet to be
made read-only. It is also the only call that replaces the id map of a mount: a clone of an idmapped mount
can be given another map, or none, for which mount_setattr(2) says EPERM.

Without OPEN_TREE_CLONE it changes the mount itself, as mount_setattr does; but not its id map (id_maps.idmap_replaced).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE
from ksem.guest.lab import mount_options

READ_ONLY = {"attr_set": MOUNT_ATTR.RDONLY | MOUNT_ATTR.NODEV}


def expected(works):
    read_only = mount_options(["ro", "nodev"])
    plain = mount_options([])
    return {
        "unknown attribute": "EINVAL" if works else "ENOSYS",
        "clone": "ok" if works else "ENOSYS",
        "attached": {".": read_only, "below": read_only} if works else {},
        "source meanwhile": plain,
        "change of the mount itself": "ok" if works else "ENOSYS",
        "source then": mount_options(["nosuid"]) if works else plain,
    }


CASE = Case(
    claim="open_tree_attr clones a tree and sets the attributes of the clone in one call; the source keeps its own (6.15).",
    cites=("open_tree_attr(2), 'DESCRIPTION'", "vfs_open_tree() and sys_open_tree_attr() in fs/namespace.c"),
    expect=(
        Rule(expected(works=True), since="6.15", cites="c4a16820d901 (\"fs: add open_tree_attr()\"), 6.15"),
        Rule(expected(works=False)),
    ),
)


def observe(lab):
    lab.tmpfs("source")
    lab.tmpfs("source/below")
    lab.mkdir("place", 0o755)
    clone = OPEN_TREE.CLONE | AT.RECURSIVE
    seen = {"unknown attribute": lab.attempt.open_tree_attr(AT_FDCWD, "source", clone, {"attr_set": 1 << 40})}
    tree, error = lab.issue("open_tree_attr", [AT_FDCWD, "source", clone, READ_ONLY])
    seen["clone"] = error or "ok"
    seen["attached"] = {}
    if error is None:
        lab.move_mount(tree, "", AT_FDCWD, "place", MOVE_MOUNT.F_EMPTY_PATH)
        seen["attached"] = {path: sorted(lab.mountinfo("place/" + path)["flags"]) for path in lab.mounts_below("place")}
    seen["source meanwhile"] = sorted(lab.mountinfo("source")["flags"])
    seen["change of the mount itself"] = lab.attempt.open_tree_attr(AT_FDCWD, "source", 0, {"attr_set": MOUNT_ATTR.NOSUID})
    seen["source then"] = sorted(lab.mountinfo("source")["flags"])
    return seen
