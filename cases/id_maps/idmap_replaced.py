"""The id map of a mount is never changed, but a clone can have another, or none, since 6.15: by open_tree_attr(2).

mount_setattr(2) gives a map to a mount that has none, and nobody can take it off or replace it afterwards (EPERM, EINVAL). A
container runtime that has one idmapped mount of a layer, and wants it for a second container, had to start again from a mount
without map. open_tree_attr makes a clone and gives it a map in one call, so that nobody has seen the clone with the old one.
It takes CAP_SYS_ADMIN over the filesystem's user namespace as ever. Only a clone can be treated so: without OPEN_TREE_CLONE
it is EPERM.

The first mount goes on showing what it showed.
"""

from ksem.guest.case import Case, Rule, Unsupported
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

# What the filesystem stores as OWNER's is shown as these users.
FIRST, SECOND = {OWNER: OTHER}, {OWNER: GROUP}
WAYS = ("another map", "no map")


def expected(works):
    table = {way: {"result": "ok", "clone shows": shown} if works else {"result": "ENOSYS"}
             for way, shown in zip(WAYS, ("group", "owner"))}
    return dict(table, **{
        "mount_setattr, another map": "EPERM", "mount_setattr, no map": "EINVAL",
        "another map, without a clone": "EPERM" if works else "ENOSYS",
        "first mount shows": "other", "stored": "owner",
    })


CASE = Case(
    claim="open_tree_attr gives a clone of an idmapped mount another id map, or none (6.15); that of the mount itself stays.",
    cites=(
        "open_tree_attr(2), 'DESCRIPTION'; mount_setattr(2), 'ERRORS', EPERM",
        "MOUNT_KATTR_IDMAP_REPLACE in fs/namespace.c",
    ),
    expect=(
        Rule(expected(True), since="6.17", backports=("6.16.12",),
             cites="9308366f0621 (\"open_tree_attr: do not allow id-mapping changes without OPEN_TREE_CLONE\"), 6.17,"
                   " CVE-2025-39717; in 6.16.12, not in 6.16.3"),
        Rule(dict(expected(True), **{"another map, without a clone": "EINVAL"}), since="6.15",
             cites="c4a16820d901 (\"fs: add open_tree_attr()\"), 6.15"),
        Rule(expected(False)),
    ),
    options=("CONFIG_USER_NS",),
    needs=("root", "userns", "syscall:mount_setattr"),
)


def observe(lab):
    lab.tmpfs("files")
    lab.file("files/file", 0o644, OWNER, OWNER)
    first, second = (namespace(lab, name, ids) for name, ids in (("first", FIRST), ("second", SECOND)))
    tree = lab.open_tree(AT_FDCWD, "files", OPEN_TREE.CLONE)
    if lab.attempt.mount_setattr(tree, "", AT.EMPTY_PATH, mapped(first)) == "EINVAL":
        raise Unsupported("no idmapped mounts of tmpfs")
    attach(lab, tree, "first mount")
    change = {"another map": mapped(second), "no map": {"attr_clr": MOUNT_ATTR.IDMAP}}
    seen = {}
    for way, attributes in change.items():
        clone, error = lab.issue("open_tree_attr", [AT_FDCWD, "first mount", OPEN_TREE.CLONE, attributes])
        seen[way] = {"result": error or "ok"}
        if error is None:
            attach(lab, clone, way)
            seen[way]["clone shows"] = owner(lab, way)
        seen["mount_setattr, " + way] = lab.attempt.mount_setattr(tree, "", AT.EMPTY_PATH, attributes)
    seen["another map, without a clone"] = lab.attempt.open_tree_attr(AT_FDCWD, "first mount", 0, mapped(second))
    return dict(seen, **{"first mount shows": owner(lab, "first mount"), "stored": owner(lab, "files")})


def namespace(lab, name, ids):
    holder = lab.fork(name)
    holder.unshare(CLONE.NEWUSER)
    lab.map_ids(holder, ids, ids, by=lab)
    return lab.open("/proc/%d/ns/user" % holder.pid, 0, 0)


def mapped(descriptor):
    return {"attr_set": MOUNT_ATTR.IDMAP, "userns_fd": descriptor}


def attach(lab, tree, path):
    lab.mkdir(path, 0o755)
    lab.move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT.F_EMPTY_PATH)


def owner(lab, path):
    return user_name(lab.status(path + "/file")["uid"])
