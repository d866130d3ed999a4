"""Through an idmapped mount files belong to other users than the filesystem stores, in both directions.

The map's left side is what the filesystem stores, its right side what the mount shows. A file of the builder is the
client's where the mount says so: the client may chmod it, and what the client makes there is stored as the builder's.
Nothing is changed by that: the same file through another mount is still the builder's. It is thus the other way of giving a
tree away, for a helper with root that need not touch the tree.

Ids that the map leaves out are nobody's: such files are shown with the overflow id and can be neither written (EACCES) nor
chmodded (EOVERFLOW), not even by root, as the file would have to be written back with an owner that has no number. One
thing only helps: who has CAP_CHOWN over the filesystem may give such a file to an id that is mapped. Nor can anything be
made in such a directory, whatever its mode. A caller that the map leaves out, root too, can make nothing at all, and nothing
can be given to it: EOVERFLOW.
"""

from ksem.guest.case import Case, Unsupported
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE, O
from ksem.guest.lab import OTHER, OVERFLOW, OWNER, user_name

# What the filesystem stores: what the mount shows. For groups the same.
SHOWN = {OWNER: OTHER}
CALLERS = {"the builder": OWNER, "the client": OTHER, "root": 0}
FILES = {"builder's": OWNER, "client's": OTHER, "root's file": 0}


def expected(caller):
    fsuid = CALLERS[caller]
    stores = {shown: stored for stored, shown in SHOWN.items()}
    root = fsuid == 0
    table = {}
    for name, owner in FILES.items():
        shown = SHOWN.get(owner, OVERFLOW)
        may = shown != OVERFLOW and (shown == fsuid or root)
        # A file without owner here is refused before anybody's right is looked at; but root may give it one.
        table[name] = {
            "shown": OVERFLOW if shown == OVERFLOW else user_name(shown),
            "read": "ok", "write": "ok" if may else "EACCES",
            "chmod": "ok" if may else "EOVERFLOW" if shown == OVERFLOW else "EPERM",
            "chown to the builder": "EOVERFLOW", "chown to the client": "ok" if may or root else "EPERM",
            "stored": user_name(OWNER if root else owner),
        }
    made = user_name(stores[fsuid]) if fsuid in stores else "EOVERFLOW"
    in_roots = "EACCES" if fsuid in stores else "EOVERFLOW"
    return {"files": table, "made": {"file": made, "directory": made, "symlink": made, "root's/file": in_roots}}


CASE = Case(
    claim="An idmapped mount translates owners in both directions; what its map leaves out cannot be written, chmodded or made"
          " through it, not even by root.",
    cites=(
        "mount_setattr(2), 'ID-mapped mounts'",
        "Documentation/filesystems/idmappings.rst",
        "inode_permission() and may_create() in fs/namei.c, notify_change() in fs/attr.c",
        "chown_ok() in fs/attr.c: an inode without a valid owner takes CAP_CHOWN over the superblock's user namespace",
        "0bd23d09b874 (\"vfs: Don't modify inodes with a uid or gid unknown to the vfs\"), 4.8",
    ),
    params={"caller": tuple(CALLERS)},
    expect=expected,
    options=("CONFIG_USER_NS", "CONFIG_TMPFS"),
    needs=("root", "userns", "syscall:mount_setattr"),
    survivors={
        'drop chmod("files/root\'s"*': "EOVERFLOW comes before any permission: with an open mode it can be nothing else.",
    },
)


def observe(lab, caller):
    lab.tmpfs("files", data="mode=777,uid=%d,gid=%d" % (OWNER, OWNER))
    lab.mkdir("files/root's", 0o777)
    lab.chmod("files/root's", 0o777)
    for name, owner in FILES.items():
        lab.file("files/" + name, 0o644, owner, owner)
    process = lab.fork("map")
    process.unshare(CLONE.NEWUSER)
    lab.map_ids(process, SHOWN, SHOWN, by=lab)
    copy = lab.open_tree(AT_FDCWD, "files", OPEN_TREE.CLONE)
    descriptor = lab.open("/proc/%d/ns/user" % process.pid, 0, 0)
    if lab.attempt.mount_setattr(copy, "", AT.EMPTY_PATH, {"attr_set": MOUNT_ATTR.IDMAP, "userns_fd": descriptor}) != "ok":
        raise Unsupported("no idmapped mounts of tmpfs")
    lab.mkdir("mapped", 0o755)
    lab.move_mount(copy, "", AT_FDCWD, "mapped", MOVE_MOUNT.F_EMPTY_PATH)
    user = CALLERS[caller]
    by = lab if user == 0 else lab.become(lab.fork("caller"), user, user)
    return {"files": {name: tried(lab, by, name) for name in FILES}, "made": make(lab, by)}


def tried(lab, by, name):
    path = "mapped/" + name
    calls = {
        "read": ("try_open", path, 0), "write": ("try_open", path, O.WRONLY), "chmod": ("chmod", path, 0o640),
        "chown to the builder": ("chown", path, OWNER, OWNER), "chown to the client": ("chown", path, OTHER, OTHER),
    }
    overflow = lab.overflow_ids()[0]
    shown = user_name(by.statx(AT_FDCWD, path, 0, 0x7FF)["uid"], overflow)
    results = dict(zip(calls, by.batch(calls.values())))
    return dict(results, shown=shown, stored=user_name(lab.status("files/" + name)["uid"]))


def make(lab, by):
    results = by.batch([("open", "mapped/file", O.CREAT | O.WRONLY, 0o644), ("mkdir", "mapped/directory", 0o755),
                        ("symlink", "file", "mapped/symlink"), ("mkdir", "mapped/root's/file", 0o755)])
    return {name: result if result != "ok" else user_name(lab.status("files/" + name)["uid"])
            for name, result in zip(("file", "directory", "symlink", "root's/file"), results)}
