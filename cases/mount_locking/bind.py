"""A bind mount cannot be used to look beneath inherited mounts: with such a mount below its source it must recurse.

A plain bind of a directory leaves the mounts below it out, and so uncovers what they cover. In a mount namespace that
belongs to a new user namespace this would undo what its maker covered, so it is EINVAL when a locked mount lies below
the source; so is open_tree(2) with OPEN_TREE_CLONE. A recursive bind carries the covers along, and they stay locked in
the copy, which can be bound no more freely than the tree.

Allowed are a bind of a directory with no locked mount below, wherever that directory's mount came from; of an
inherited mount by itself, and this copy can be unmounted again; and of a tree whose submounts were made after the
unshare.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MS, OPEN_TREE

STEPS = {
    "user and mount": (CLONE.NEWUSER | CLONE.NEWNS,),
    "user, then mount": (CLONE.NEWUSER, CLONE.NEWNS),
    "mount": (CLONE.NEWNS,),
}
SOURCES = {
    "the tree": "tree",
    "a submount with one below": "tree/cover",
    "a submount with none below": "tree/cover/leaf",
    "a directory with none below": "tree/plain",
}


def expected(unshared, maker):
    locked = unshared != "mount"
    refused = "EINVAL" if locked else "ok"
    return {
        "plain": {
            "the tree": {"result": refused, "what was covered": "ENOENT" if locked else "ok"},
            "a submount with one below": {"result": refused},
            "a submount with none below": {"result": "ok", "unmount it": "ok"},
            "a directory with none below": {"result": "ok", "unmount it": "ok"},
            "a recursive bind of the tree": {"result": refused},
            "a directory with a mount of one's own below": {"result": "ok"},
        },
        "recursive bind of the tree": {"result": "ok", "what was covered": "ENOENT",
                                       "mounts": [".", "cover", "cover/leaf"]},
        "open_tree of the tree": {"plain": refused, "recursive": "ok"},
    }


CASE = Case(
    claim="In a mount namespace that belongs to a new user namespace, a bind of a directory with inherited mounts below"
          " it must be recursive (EINVAL otherwise).",
    cites=(
        "mount(2), 'ERRORS', EINVAL: MS_BIND without MS_REC in an unprivileged mount namespace",
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "has_locked_children() in fs/namespace.c, called by __do_loopback() for mount(2) and open_tree(2)",
        "5ff9d8a65ce8 (\"vfs: Lock in place mounts from more privileged users\"), 3.12",
    ),
    params={"unshared": tuple(STEPS), "maker": ("the machine's root", "an ordinary user's sandbox")},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("userns", "syscall:open_tree"),
    survivors={
        'drop mount("tmpfs", "tree"*': "The tree may lie on any mount.",
        'drop mount("tmpfs", "own/below"*': "A mount of one's own below is in nobody's way, as is claimed.",
        "drop lab.enter_sandbox": "Root gets the same answers, as is claimed.",
    },
)


def observe(lab, unshared, maker):
    if "sandbox" in maker:
        lab.enter_sandbox()
    for directory in ("tree", "plain", "recursive", "own"):
        lab.mkdir(directory, 0o755)
    build(lab)
    for step in STEPS[unshared]:
        lab.unshare(step)
    recursive = {
        "result": lab.attempt.mount("tree", "recursive", None, MS.BIND | MS.REC, None),
        "what was covered": lab.attempt.access("recursive/cover/secret", 0),
        "mounts": lab.mounts_below("recursive"),
    }
    return {
        "plain": plain_binds(lab),
        "recursive bind of the tree": recursive,
        "open_tree of the tree": {"plain": lab.attempt.open_tree(AT_FDCWD, "tree", OPEN_TREE.CLONE),
                                  "recursive": lab.attempt.open_tree(AT_FDCWD, "tree",
                                                                        OPEN_TREE.CLONE | AT.RECURSIVE)},
    }


def build(process):
    """Something secret, a mount that covers it, and another mount in that one."""
    process.mount("tmpfs", "tree", "tmpfs", 0, "mode=755")
    for directory in ("tree/cover", "tree/plain", "tree/plain/below", "tree/cover/secret"):
        process.mkdir(directory, 0o755)
    process.mount("tmpfs", "tree/cover", "tmpfs", 0, "mode=755")
    process.mkdir("tree/cover/leaf", 0o755)
    process.mount("tmpfs", "tree/cover/leaf", "tmpfs", 0, "mode=755")


def plain_binds(caller):
    """Each on the same place, and off again where that worked."""
    outcome = {}
    for name, source in SOURCES.items():
        outcome[name] = {"result": bind(caller, source)}
        if name == "the tree":
            outcome[name]["what was covered"] = caller.attempt.access("plain/cover/secret", 0)
        if outcome[name]["result"] == "ok":
            unmounted = caller.attempt.umount2("plain", 0)
            if "none below" in name:
                outcome[name]["unmount it"] = unmounted
    outcome["a recursive bind of the tree"] = {"result": bind(caller, "recursive")}
    caller.mount("tree/plain", "own", None, MS.BIND, None)
    caller.mount("tmpfs", "own/below", "tmpfs", 0, "mode=755")
    outcome["a directory with a mount of one's own below"] = {"result": bind(caller, "own")}
    return outcome


def bind(caller, source):
    return caller.attempt.mount(source, "plain", None, MS.BIND, None)
