"""A read-only root answers EROFS, somebody else's root EACCES, and one whose write bit is off depends on capabilities.

Four ways to keep a builder from changing `/`, and what it gets to see. (1) A directory of its own on a read-only mount:
EROFS for everything, whoever asks. (2) A directory of somebody else: EACCES for names in it, EPERM for
chmod and chown of it. (3) Its own, with the write bit cleared: EACCES for names as well, but that is no barrier: the owner
changes the mode back, writes files that are there, and a process that is root in its user namespace has
CAP_DAC_OVERRIDE over an inode of its own and does not even notice. (4) A read-only filesystem, which is not the same as
a read-only mount of it.

Software that tests for EACCES to find out "I may not write here" is told something else by (1) and (4), and what is told
when several apply depends on which question comes first. A call that changes names or an inode asks for write access to
the mount before it looks at permissions: EROFS wins. open(2) for writing without O_CREAT, and access(2), look at permissions
first: on a read-only mount of somebody else's directory they say EACCES. Only the filesystem's own read-only flag is part of
the permissions, and comes even before the mode: there they say EROFS. truncate(2) changed sides: it asked the mount first
up to 6.13, and asks for permission first since 6.14, by a change that was about something else.
"""

from ksem.guest.case import Broken, Case, Rule
from ksem.guest.flags import AT_FDCWD, MS, W_OK, O
from ksem.guest.lab import GROUP, OTHER, OWNER

ROOTS = ("own", "own, write bit cleared", "somebody else's")
READ_ONLY = ("no", "mount", "filesystem")
CALLERS = ("owner", "root of a user namespace", "no capabilities in a user namespace")


def since_6_14(root, read_only, caller):
    return {name: answer(name, root, read_only, caller, (*LATE, "truncate")) for name in KINDS}


def since_6_6(root, read_only, caller):
    return {name: answer(name, root, read_only, caller, LATE) for name in KINDS}


def before_6_6(root, read_only, caller):
    """tmpfs had no user attributes."""
    found = since_6_6(root, read_only, caller)
    name = "setxattr of the directory"
    return dict(found, **{name: "EOPNOTSUPP"}) if found[name] == "ok" else found


def answer(name, root, read_only, caller, late):
    own = root != "somebody else's"
    # A file in it has mode 0644 and the directory's owner.
    permissions = {"names": own and (root == "own" or caller == "root of a user namespace")}
    kind = KINDS[name]
    permitted = permissions.get(kind, own)
    refusal = "EPERM" if kind == "owner" else "EACCES"
    if read_only == "filesystem" or (read_only == "mount" and (permitted or name not in late)):
        return "EROFS"
    return "ok" if permitted else refusal


# What a call is about: names in the directory, the content of a file in it, or what only the owner of an inode may change.
KINDS = {
    "create": "names", "mkdir": "names", "rename": "names", "unlink": "names", "may write directory": "names",
    "open for writing": "file", "may write file": "file", "truncate": "file",
    "utimensat of the file": "file", "utimensat of the directory": "owner or writer",
    "setxattr of the directory": "names",
    "chown directory": "owner", "chmod file": "owner", "chmod directory": "owner",
}
# Those that ask for permission before they ask the mount.
LATE = ("open for writing", "may write file", "may write directory")

CASE = Case(
    claim="A read-only root answers EROFS where a root of somebody else answers EACCES or EPERM; clearing the owner's write"
          " bit gives EACCES to those without capabilities, and keeps nobody from setting it again.",
    cites=(
        "path_resolution(7), 'Permissions'",
        "open(2), access(2), chmod(2), utimensat(2), setxattr(2): 'ERRORS'",
        "mnt_want_write() before may_create(), may_delete() and notify_change(): do_mkdirat(), do_unlinkat() in fs/namei.c,"
        " chmod_common() in fs/open.c",
        "may_open() before do_dentry_open(), and do_faccessat(): fs/namei.c and fs/open.c; sb_permission() in fs/namei.c",
        "user_namespaces(7), 'Operation of file-related capabilities'",
    ),
    params={"root": ROOTS, "read_only": READ_ONLY, "caller": CALLERS},
    # A read-only filesystem answers everybody alike.
    where=lambda root, read_only, caller: read_only != "filesystem" or caller == "owner",
    expect=(
        Rule(since_6_14, since="6.14",
             cites="4acf3bc76e52 (\"fsnotify: generate pre-content permission event on truncate\"), 6.14"),
        Rule(since_6_6, since="6.6",
             cites="2daf18a7884d (\"tmpfs,xattr: enable limited user extended attributes\"), 6.6"),
        Rule(before_6_6),
    ),
    needs=("root", "userns"),
    options=("CONFIG_USER_NS", "CONFIG_TMPFS_XATTR"),
    documented="Which errno wins when a place is both read-only and not permitted is said nowhere.",
)


def observe(lab, root, read_only, caller):
    build(lab, root, read_only)
    process = {"owner": plain, "root of a user namespace": mapped_root,
               "no capabilities in a user namespace": mapped_user}[caller](lab)
    table = calls("root", {"owner": OWNER, "root of a user namespace": 0}.get(caller, 1000))
    return dict(zip(table, process.batch(table.values())))


def build(lab, root, read_only):
    owner, group = (OTHER, OTHER) if root == "somebody else's" else (OWNER, GROUP)
    lab.tmpfs("root", data="mode=755")
    for name in ("file", "rename me", "unlink me"):
        lab.file("root/" + name, 0o644, owner, group)
    lab.chown("root", owner, group)
    lab.chmod("root", 0o555 if "cleared" in root else 0o755)
    if read_only == "mount":
        lab.mount(None, "root", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)
    elif read_only == "filesystem":
        # That makes the mount read-only too, which is taken off again.
        lab.mount(None, "root", None, MS.REMOUNT | MS.RDONLY, None)
        lab.mount(None, "root", None, MS.REMOUNT | MS.BIND, None)
    state = lab.mountinfo("root")
    if ("ro" in state["flags"], state["superblock"]) != (read_only == "mount", "ro" if read_only == "filesystem" else "rw"):
        raise Broken("the root is not read-only as it should be: %s" % state)


def calls(at, own_id):
    """The directory's own mode comes last: after it others would be answered differently."""
    return {
        "may write directory": ("access", at, W_OK),
        "create": ("try_open", at + "/created", O.WRONLY | O.CREAT),
        "mkdir": ("mkdir", at + "/made", 0o755),
        "rename": ("rename", at + "/rename me", at + "/renamed"),
        "unlink": ("unlink", at + "/unlink me"),
        "may write file": ("access", at + "/file", W_OK),
        "open for writing": ("try_open", at + "/file", O.WRONLY),
        "truncate": ("truncate", at + "/file", 0),
        "utimensat of the file": ("utimensat", AT_FDCWD, at + "/file", 0),
        "utimensat of the directory": ("utimensat", AT_FDCWD, at, 0),
        "setxattr of the directory": ("setxattr", at, "user.ksem", "1", 1, 0),
        "chmod file": ("chmod", at + "/file", 0o600),
        "chown directory": ("chown", at, own_id, -1),
        "chmod directory": ("chmod", at, 0o755),
    }


def plain(lab):
    return lab.become(lab.fork("owner"), OWNER, GROUP)


def mapped_root(lab):
    return lab.mapped("inside", {0: OWNER}, {0: GROUP})


def mapped_user(lab):
    """As a builder runs: its own id under another number, and no capabilities any more."""
    process = lab.mapped("inside", {1000: OWNER}, {1000: GROUP})
    process.capset({"effective": [], "permitted": [], "inheritable": []})
    return process
