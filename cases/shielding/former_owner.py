"""After a tree was given away, its former owner can still remove and rename it, and write to what it has open.

Removing or renaming a name needs write permission on the directory that holds it, and nothing of what is named. Whoever owns
the parent of a tree disposes of the tree: a file of somebody else's it removes, a directory of somebody else's it renames
within the parent, and removes if it is empty, but cannot empty or move elsewhere (EACCES). The sticky bit on the parent
changes that where the parent is somebody else's (EPERM), and not where it is one's own: its owner is excepted.

A descriptor for writing is not asked again: the former owner writes and truncates as before. What only an owner may is
asked at each call, also through a descriptor: fchmod and fchown are EPERM. A descriptor of a directory or a working
directory gives no right either, only a place to start from: the mode for others decides.

So a daemon that hands over a tree must close, or have killed, whatever the builder has left running. The new owner finds the
set-id bits cleared, but each write of the former owner's that follows is content of a file of its own.
"""

from ksem.guest.case import Case
from ksem.guest.flags import O
from ksem.guest.lab import GROUP, OTHER, OWNER

# owner, mode
PARENTS = {"own": (OWNER, 0o755), "own, sticky": (OWNER, 0o1755), "open to all": (0, 0o777), "open to all, sticky": (0, 0o1777),
           "of root": (0, 0o755)}
CLIENTS_MODES = {"closed": 0o755, "open to all": 0o777}


def expected(parent, tree):
    owner, mode = PARENTS[parent]
    names = "ok" if owner == OWNER or mode & 0o002 else "EACCES"
    if names == "ok" and mode & 0o1000 and owner != OWNER:
        names = "EPERM"
    inside = "ok" if tree == "open to all" else "EACCES"
    # Moving a directory also asks for write permission on the directory; the parents are asked first.
    move = names if names != "ok" else inside
    return {
        "write": "ok", "truncate": "ok", "fchmod": "EPERM", "fchown": "EPERM", "open again": "EACCES",
        "mkdirat in the tree": inside, "unlink in the tree, by cwd": inside, "chmod of the tree": "EPERM",
        "chown back": "EPERM",
        "rename a file": names, "unlink a file": names, "rmdir an empty directory": names,
        "rename the tree": names, "rename back": names if names == "ok" else "ENOENT", "move the tree": move,
        "the client's file": "removed" if names == "ok" else "left",
        "the tree": "moved" if move == "ok" else "left",
    }


CASE = Case(
    claim="The former owner of what was given away can write to what it has open, and remove or rename what lies in a directory"
          " of its own; fchmod and fchown are EPERM, and a sticky parent of somebody else's protects the names.",
    cites=(
        "unlink(2), rename(2) and rmdir(2), 'ERRORS', EACCES and EPERM",
        "inode(7), 'The file type and mode', S_ISVTX",
        "path_resolution(7), 'Permissions'",
        "may_delete() and __check_sticky() in fs/namei.c; inode_owner_or_capable() in fs/inode.c",
    ),
    params={"parent": tuple(PARENTS), "tree": tuple(CLIENTS_MODES)},
    expect=expected,
    needs=("root",),
    survivors={
        'drop chown("parent/tree", 2100000001*': "What it was before it was given away shows in nothing, as is claimed.",
        'drop chown("parent/empty", 2100000001*': "What it was before it was given away shows in nothing, as is claimed.",
        'drop chown("parent/tree/another file", 2100000002*': "To unlink it takes a right to the directory alone.",
    },
)


def observe(lab, parent, tree):
    former = prepare(lab, parent)
    file, directory = former.values([("open", "parent/tree/file", O.RDWR, 0), ("open", "parent/tree", O.DIRECTORY, 0)])
    former.chdir("parent/tree")
    give_away(lab, tree)
    calls = {
        "write": ("write", file, "x", 1), "truncate": ("ftruncate", file, 0),
        "fchmod": ("fchmod", file, 0o666), "fchown": ("fchown", file, OWNER, -1),
        "open again": ("try_open", "file", O.WRONLY),
        "mkdirat in the tree": ("mkdirat", directory, "made", 0o755),
        "unlink in the tree, by cwd": ("unlink", "another file"),
        "chmod of the tree": ("chmod", ".", 0o777), "chown back": ("chown", ".", OWNER, GROUP),
        "back": ("chdir", "/tmp"),
        "rename a file": ("rename", "parent/rename me", "parent/renamed"),
        "unlink a file": ("unlink", "parent/unlink me"),
        "rmdir an empty directory": ("rmdir", "parent/empty"),
        "rename the tree": ("rename", "parent/tree", "parent/new tree"),
        "rename back": ("rename", "parent/new tree", "parent/tree"),
        "move the tree": ("rename", "parent/tree", "elsewhere/tree"),
    }
    found = dict(zip(calls, former.batch(calls.values())))
    del found["back"]
    left = lab.list_directory("parent")
    found["the client's file"] = "left" if "unlink me" in left else "removed"
    found["the tree"] = "left" if "tree" in left else "moved"
    return found


def prepare(lab, parent):
    """All is the former owner's, but for the parent, which is as the parameter says."""
    for path in ("parent", "parent/tree", "parent/empty", "elsewhere"):
        lab.mkdir(path, 0o755)
    for path in ("parent/tree/file", "parent/tree/another file", "parent/rename me", "parent/unlink me"):
        lab.file(path, 0o644, OWNER, GROUP)
    for path in ("parent/tree", "parent/empty", "elsewhere"):
        lab.chown(path, OWNER, GROUP)
    owner, mode = PARENTS[parent]
    lab.chown("parent", owner, owner)
    lab.chmod("parent", mode)
    return lab.become(lab.fork("former owner"), OWNER, GROUP)


def give_away(lab, tree):
    for path in ("tree/file", "tree/another file", "tree", "empty", "rename me", "unlink me"):
        lab.chown("parent/" + path, OTHER, OTHER)
    lab.chmod("parent/tree", CLIENTS_MODES[tree])
