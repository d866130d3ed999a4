"""Who has restricted its access to files by Landlock, however little, can no longer change what is mounted.

A Landlock domain knows files by where they are. So that nobody can put them elsewhere, every process in one that handles any
access to files gets EPERM for mount(2), umount2(2), pivot_root(2) and move_mount(2), remounting too, as root and as root of a
user namespace. A sandbox does its mounts first and restricts itself last. chroot(2), unshare(2), and detached copies that go
nowhere stay possible.

For the same reason a file cannot be linked or renamed into another directory (EXDEV), if the domain does not allow it: that
takes LANDLOCK_ACCESS_FS_REFER (5.19), and is denied where it is not handled at all. Within its directory it may be renamed.
"""

from ksem.guest.case import Case, Rule, Unsupported
from ksem.guest.flags import AT_FDCWD, CLONE, MNT, MOUNT_ATTR, MS, OPEN_TREE, PR

# Any one will do.
MAKE_FIFO = 1 << 10
SIZE = 8
DENIED = ("mount", "bind", "remount", "make private", "unmount", "pivot_root", "move_mount")


def since_5_13():
    return dict(dict.fromkeys(DENIED, "EPERM"), **{
        "open_tree": "ok", "mount_setattr": "ok", "chroot": "ok", "unshare": "ok",
        "rename within a directory": "ok", "rename into another": "EXDEV", "link into another": "EXDEV",
        "mounts afterwards": [".", "below"],
    })


CASE = Case(
    claim="In a Landlock domain that handles any access to files mount, umount, pivot_root and move_mount are EPERM, and files"
          " cannot be moved to another directory (EXDEV).",
    cites=(
        "landlock(7), 'Current limitations' and 'Filesystem topology modification'",
        "hook_sb_mount(), hook_move_mount() and current_check_refer_path() in security/landlock/fs.c",
    ),
    expect=(
        Rule(since_5_13(), since="5.13", cites="265885daf3e5 (\"landlock: Add syscall implementations\"), 5.13"),
        Rule({"domain": "ENOSYS"}),
    ),
    needs=("root",),
    options=("CONFIG_SECURITY_LANDLOCK",),
    survivors={
        "drop prctl(PR_SET_NO_NEW_PRIVS*": "Root may restrict itself without; that it has none later is as in a sandbox.",
    },
)


def observe(lab):
    lab.tmpfs("tree")
    lab.tmpfs("tree/below")
    for path in ("tree/one", "tree/two", "new"):
        lab.mkdir(path, 0o755)
    lab.file("tree/one/file")
    process = lab.fork("process")
    process.prctl(PR.SET_NO_NEW_PRIVS, 1)
    ruleset, error = process.issue("landlock_create_ruleset", [{"handled_access_fs": MAKE_FIFO}, SIZE, 0])
    if error == "EOPNOTSUPP":
        raise Unsupported("Landlock is built in, but not among the security modules that are on")
    if error:
        return {"domain": error}
    tree = process.open_tree(AT_FDCWD, "tree", OPEN_TREE.CLONE)
    process.landlock_restrict_self(ruleset, 0)
    calls = {
        "mount": ("mount", "new", "new", "tmpfs", 0, None), "bind": ("mount", "tree", "new", None, MS.BIND, None),
        "remount": ("mount", None, "tree", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None),
        "make private": ("mount", None, "tree", None, MS.PRIVATE, None),
        "unmount": ("umount2", "tree/below", MNT.DETACH), "pivot_root": ("pivot_root", "tree", "tree/one"),
        "move_mount": ("move_mount", tree, "", AT_FDCWD, "new", 4),
        "open_tree": ("open_tree", AT_FDCWD, "tree", OPEN_TREE.CLONE),
        "mount_setattr": ("mount_setattr", AT_FDCWD, "tree/below", 0, {"attr_set": MOUNT_ATTR.NODEV}),
        "rename within a directory": ("rename", "tree/one/file", "tree/one/renamed"),
        "rename into another": ("rename", "tree/one/renamed", "tree/two/renamed"),
        "link into another": ("link", "tree/one/renamed", "tree/two/linked"),
        "unshare": ("unshare", CLONE.NEWNS), "chroot": ("chroot", "tree"),
    }
    seen = dict(zip(calls, process.batch(calls.values())))
    return dict(seen, **{"mounts afterwards": lab.mounts_below("tree")})
