"""An idmapped mount shows the files of a filesystem with other owners; which filesystems can do it came one by one.

mount_setattr(MOUNT_ATTR_IDMAP), 5.12, takes the map of a user namespace for one mount: here the filesystem's root is shown as
another user. Nothing on the filesystem changes, and no chown of a whole tree is needed to give it to a container. An owner
without a mapping is shown as the overflow user, and a caller without one cannot make files there (EOVERFLOW), not even root.

It began with ext4, xfs and fat; tmpfs followed with 6.3. Overlayfs takes idmapped mounts as its layers since 5.19, but
could not be idmapped itself until 7.3. A filesystem that does not take part, as ramfs, says EINVAL. What it
takes, too, is CAP_SYS_ADMIN over the user namespace that the *filesystem* belongs to: root of a user namespace can idmap the
tmpfs that it mounted itself, but not one that it inherited (EPERM). That it has no place yet is a condition as well: on an
attached mount it is EINVAL.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE, O
from ksem.guest.lab import OTHER, OWNER, user_name

ROOT, INHERITED, OWN = "root", "root of a user namespace, inherited mount", "root of a user namespace, own mount"


def since_7_3(fs, caller):
    return table(caller) if fs != "ramfs" else refused("EINVAL")


def since_6_3(fs, caller):
    return table(caller) if fs == "tmpfs" else refused("EINVAL")


def table(caller):
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
    params={"fs": ("tmpfs", "overlay", "ramfs"), "caller": (ROOT, INHERITED, OWN)},
    # An overlay of one's own in a user namespace is another feature, of 5.11.
    where=lambda fs, caller: fs == "tmpfs" or caller == ROOT or (fs == "overlay" and caller == INHERITED),
    expect=(
        Rule(since_7_3, since="7.3", cites="FS_ALLOW_IDMAP in ovl_fs_type, fs/overlayfs/super.c, 7.3; not in 7.2"),
        Rule(since_6_3, since="6.3", cites="7a80e5b8c6fa (\"shmem: support idmapped mounts for tmpfs\"), 6.3"),
        Rule(since_5_12, since="5.12", cites="9caccd41541a (\"fs: introduce MOUNT_ATTR_IDMAP\"), 5.12"),
        Rule(before_5_12),
    ),
    needs=lambda fs, caller: ("root", "userns") + (("fs:overlay",) if fs == "overlay" else ()),
)


def observe(lab, fs, caller):
    overflow = lab.overflow_ids()[0]
    if caller == OWN:
        lab.enter_sandbox()
    mount_filesystem(lab, fs)
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


def mount_filesystem(lab, fs):
    lab.mkdir("source", 0o755)
    if fs != "overlay":
        lab.mount("source", "source", fs, 0, "mode=777")
        return
    lab.tmpfs("layers")
    for name in ("lower", "upper", "work"):
        lab.mkdir("layers/" + name, 0o755)
    lab.mount("source", "source", fs, 0, "lowerdir=layers/lower,upperdir=layers/upper,workdir=layers/work")


def map_of(lab, caller):
    """A user namespace, in which no process stays, whose map is the one that is wanted: as root 0 is OTHER, else 1 is 0."""
    child = lab.fork("map")
    child.unshare(CLONE.NEWUSER)
    maps = {0: OTHER} if caller == ROOT else {1: 0}
    lab.map_ids(child, maps, maps, by=lab if caller == ROOT else None)
    return lab.open("/proc/%d/ns/user" % child.pid, 0, 0)
