"""An idmapped mount shows the files of a filesystem with other owners; which filesystems can do it came one by one.

mount_setattr(MOUNT_ATTR_IDMAP), 5.12, takes the map of a user namespace for one mount: here the filesystem's root is shown as
another user. Nothing on the filesystem changes, and no chown of a whole tree is needed to give it to a container. An owner
without a mapping is shown as the overflow user, and a caller without one cannot make files there (EOVERFLOW), not even root.

It began with ext4, xfs and fat; tmpfs followed with 6.3. A filesystem that does not take part, as ramfs, says EINVAL. What it
takes, too, is CAP_SYS_ADMIN over the user namespace that the *filesystem* belongs to: root of a user namespace can idmap the
tmpfs that it mounted itself, but not one that it inherited (EPERM). That it has no place yet is a condition as well: on an
attached mount it is EINVAL.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE, O
from ksem.guest.lab import OTHER, OWNER, overflow_ids, user_name

ROOT, INHERITED, OWN = "root", "root of a user namespace, inherited mount", "root of a user namespace, own mount"


def since_6_3(fs, caller):
    if fs != "tmpfs":
        return refused("EINVAL")
    if caller == INHERITED:
        return refused("EPERM")
    seen = {"attached": "EINVAL", "detached": "ok", "again": "EPERM", "create": "EOVERFLOW"}
    # The only id of a sandbox is mapped away, so that nobody is left for its files.
    shown = {"root's file": "other", "owner's file": "overflow"} if caller == ROOT else {"root's file": "overflow"}
    return dict(seen, shown=shown, **{"root's file on the filesystem": "root"})


def since_5_12(fs, caller):
    return refused("EINVAL")


def before_5_12(fs, caller):
    return refused("ENOSYS")


def refused(error):
    attached = "ENOSYS" if error == "ENOSYS" else "EINVAL"
    return {"attached": "EPERM" if error == "EPERM" else attached, "detached": error}


CASE = Case(
    claim="A mount can be given other owners by an id map (5.12): on tmpfs since 6.3, also by root of a user namespace if it"
          " mounted the filesystem itself.",
    cites=(
        "mount_setattr(2), 'ID-mapped mounts'",
        "can_idmap_mount() in fs/namespace.c: FS_ALLOW_IDMAP, and ns_capable(sb->s_user_ns, CAP_SYS_ADMIN)",
    ),
    params={"fs": ("tmpfs", "ramfs"), "caller": (ROOT, INHERITED, OWN)},
    where=lambda fs, caller: fs == "tmpfs" or caller == ROOT,
    expect=(
        Rule(since_6_3, since="6.3", cites="7a80e5b8c6fa (\"shmem: support idmapped mounts for tmpfs\"), 6.3"),
        Rule(since_5_12, since="5.12", cites="9caccd41541a (\"fs: introduce MOUNT_ATTR_IDMAP\"), 5.12"),
        Rule(before_5_12),
    ),
    needs=("root", "userns"),
)


def observe(lab, fs, caller):
    overflow = overflow_ids()[0]
    if caller == OWN:
        lab.enter_sandbox()
    lab.mkdir("source", 0o755)
    lab.mount("source", "source", fs, 0, "mode=777")
    lab.file("source/root's file")
    if caller == ROOT:
        lab.file("source/owner's file", owner=OWNER, group=OWNER)
    lab.mkdir("view", 0o755)
    if caller == INHERITED:
        lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        lab.map_ids(lab, {0: 0}, {0: 0})
    change = {"attr_set": MOUNT_ATTR.IDMAP, "userns_fd": map_of(lab, caller)}
    seen = {"attached": lab.attempt.mount_setattr(AT_FDCWD, "source", 0, change)}
    tree = lab.open_tree(AT_FDCWD, "source", OPEN_TREE.CLONE)
    seen["detached"] = lab.attempt.mount_setattr(tree, "", AT.EMPTY_PATH, change)
    if seen["detached"] == "ok":
        seen["again"] = lab.attempt.mount_setattr(tree, "", AT.EMPTY_PATH, change)
        lab.move_mount(tree, "", AT_FDCWD, "view", MOVE_MOUNT.F_EMPTY_PATH)
        seen["create"] = lab.try_open("view/made", O.CREAT | O.WRONLY)
        seen["shown"] = {name: user_name(lab.status("view/" + name)["uid"], overflow) for name in lab.list_directory("view")}
        seen["root's file on the filesystem"] = user_name(lab.status("source/root's file")["uid"])
    return seen


def map_of(lab, caller):
    """A user namespace, in which no process stays, whose map is the one that is wanted: as root 0 is OTHER, else 1 is 0."""
    child = lab.fork("map")
    child.unshare(CLONE.NEWUSER)
    maps = {0: OTHER} if caller == ROOT else {1: 0}
    lab.map_ids(child, maps, maps, by=lab if caller == ROOT else None)
    return lab.open("/proc/%d/ns/user" % child.pid, 0, 0)
