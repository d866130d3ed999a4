"""A locked mount cannot be moved away by any call, but a tree of one's own can, with the locked mounts that it holds.

Moving a mount uncovers what it lay on, as unmounting does, so mount(2) with MS_MOVE and move_mount(2) answer EINVAL for
a locked mount, and it stays where it is. A recursive bind made inside is one's own: its top is free and can be moved,
which keeps everything within at its place; what is within stays locked and cannot be moved out of it.

A locked mount may well be the place that something is moved to: that covers, and uncovers nothing. And a locked mount
with no other below can be copied with open_tree(2); the copy, detached or attached elsewhere, is free, as it covers
nothing.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, CLONE, MNT, MOVE_MOUNT, MS, OPEN_TREE

UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}


def expected(unshared, call):
    locked = unshared == "user and mount"
    refused = "EINVAL" if locked else "ok"
    return {
        "a new mount": {"result": "ok", "from": False, "to": True},
        "an inherited mount": {"result": refused, "from": locked, "to": not locked},
        "an inherited mount with one below": {"result": refused, "from": locked, "to": not locked},
        "a recursive bind": {"result": "ok", "from": False, "to": True},
        "a mount within a recursive bind": {"result": refused, "from": locked, "to": not locked},
        "a new mount onto an inherited one": {"result": "ok", "unmount it": "ok", "unmount what was there": refused},
        "copy of an inherited mount": {"attach": "ok", "unmount": "ok"},
    }


CASE = Case(
    claim="A locked mount can be moved neither by mount with MS_MOVE nor by move_mount (EINVAL); a mount of one's own can,"
          " also onto a locked one, and also one that holds locked mounts.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "do_move_mount() in fs/namespace.c: EINVAL for MNT_LOCKED",
        "5ff9d8a65ce8 (\"vfs: Lock in place mounts from more privileged users\"), 3.12",
        "2db154b3ea8e (\"vfs: syscall: Add move_mount(2) to move mounts around\"), 5.2",
    ),
    params={"unshared": tuple(UNSHARED), "call": ("mount", "move_mount")},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("userns", "syscall:move_mount", "syscall:open_tree"),
    documented="mount(2) does not name the lock among the reasons for EINVAL; man-pages 6.03 has no page move_mount(2).",
)


def observe(lab, unshared, call):
    move = {"mount": by_mount, "move_mount": by_move_mount}[call]
    for name in ("tree", "leaf", "covered", "copy", "new", "upper", "place", "detached"):
        lab.mkdir(name, 0o755)
    for path in ("tree", "tree/a", "tree/a/b", "leaf", "covered"):
        if "/" in path:
            lab.mkdir(path, 0o755)
        lab.mount("tmpfs", path, "tmpfs", 0, "mode=755")
    lab.unshare(UNSHARED[unshared])
    lab.mount("tree", "copy", None, MS.BIND | MS.REC, None)
    for path in ("new", "upper"):
        lab.mount("tmpfs", path, "tmpfs", 0, "mode=755")
    observation = {name: moved(lab, move, path) for name, path in (
        ("a new mount", "new"), ("an inherited mount", "leaf"), ("an inherited mount with one below", "tree/a"),
        ("a mount within a recursive bind", "copy/a/b"), ("a recursive bind", "copy"))}
    observation["copy of an inherited mount"] = copied(lab)
    observation["a new mount onto an inherited one"] = {
        "result": move(lab, "upper", "covered"), "unmount it": lab.attempt.umount2("covered", 0),
        "unmount what was there": lab.attempt.umount2("covered", 0)}
    return observation


def moved(lab, move, path):
    """Move, look at both places, and take it off again where it arrived."""
    result = move(lab, path, "place")
    seen = {"result": result, "from": lab.attempt.mountinfo(path) == "ok", "to": lab.attempt.mountinfo("place") == "ok"}
    if seen["to"]:
        lab.umount2("place", MNT.DETACH)
    return seen


def copied(lab):
    tree = lab.open_tree(AT_FDCWD, "covered", OPEN_TREE.CLONE)
    attached = lab.attempt.move_mount(tree, "", AT_FDCWD, "detached", MOVE_MOUNT.F_EMPTY_PATH)
    # An open descriptor keeps a mount busy.
    lab.close(tree)
    return {"attach": attached, "unmount": lab.attempt.umount2("detached", 0)}


def by_mount(lab, source, target):
    return lab.attempt.mount(source, target, None, MS.MOVE, None)


def by_move_mount(lab, source, target):
    return lab.attempt.move_mount(AT_FDCWD, source, AT_FDCWD, target, 0)
