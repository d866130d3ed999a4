"""The same read-only root by mount_setattr(2) and open_tree(2): fewer mounts are forgotten, and there is no moment in between.

The recipe of four steps changes one mount, so that each mount in the root that nobody thought of stays writable. Turned
round it is safer: everything beneath is made read-only in one call (AT_RECURSIVE, 5.12), and then the places that are to
be written to are made writable by theirs. They need to be mounts for that.

With open_tree(2) the copy of the root is prepared while nobody can see it, and attached when it is as it should be. Until
then the path leads to the old, writable tree; from then on to the new one. In between there is no time in which the new one
is there and writable, as there is with a bind and a remount. Of a detached tree only the whole or its top can be changed,
no mount below by itself (EINVAL): the places to be written to come after it is attached. open_tree_attr(2), 6.15, is
open_tree and mount_setattr in one call.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, MOUNT_ATTR, MOVE_MOUNT, MS, OPEN_TREE

PLACES = ("", "/tmp", "/gnu/store", "/dev")
READ_ONLY, WRITABLE = {"attr_set": MOUNT_ATTR.RDONLY}, {"attr_clr": MOUNT_ATTR.RDONLY}
SELF_BINDS = [("mount", "root" + place, "root" + place, None, MS.BIND | MS.REC, None) for place in ("/gnu/store", "/tmp")]
BIND_ROOT = ("mount", "root", "root", None, MS.BIND | MS.REC, None)
WHOLE = AT.EMPTY_PATH | AT.RECURSIVE
TREE = 3
ATTACH = ("move_mount", TREE, "", AT_FDCWD, "root", MOVE_MOUNT.F_EMPTY_PATH)
CLONE = ("open_tree", AT_FDCWD, "root", OPEN_TREE.CLONE | AT.RECURSIVE)
TOO_EARLY = ("mount_setattr", TREE, "tmp", 0, WRITABLE)
OPEN_AGAIN = [("mount_setattr", AT_FDCWD, "root" + place, 0, WRITABLE) for place in ("/gnu/store", "/tmp")]
# The steps after store and /tmp are mounts; TREE is the descriptor of the copy, the first that is free.
WAYS = {
    "mount": [BIND_ROOT, ("mount", None, "root", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)],
    "mount_setattr, the root alone": [BIND_ROOT, ("mount_setattr", AT_FDCWD, "root", 0, READ_ONLY)],
    "mount_setattr, all but two": [BIND_ROOT, ("mount_setattr", AT_FDCWD, "root", AT.RECURSIVE, READ_ONLY), *OPEN_AGAIN],
    "detached copy, the root alone": [CLONE, ("mount_setattr", TREE, "", AT.EMPTY_PATH, READ_ONLY), ATTACH],
    "detached copy, all but two": [
        CLONE, ("mount_setattr", TREE, "", WHOLE, READ_ONLY), TOO_EARLY, ATTACH, *OPEN_AGAIN],
    "open_tree_attr, all but two": [
        ("open_tree_attr", AT_FDCWD, "root", OPEN_TREE.CLONE | AT.RECURSIVE, READ_ONLY), TOO_EARLY, ATTACH, *OPEN_AGAIN],
}


def expected(way):
    recursive = "all but two" in way
    steps = WAYS[way]
    closed_at = steps.index(ATTACH) if ATTACH in steps else 1
    return {
        "steps": ["EINVAL" if step == TOO_EARLY else "ok" for step in steps],
        "root after each step": ["EROFS" if number >= closed_at else "ok" for number in range(len(steps))],
        "at last": {place or "/": "EROFS" if place == "" or (recursive and place == "/dev") else "ok" for place in PLACES},
        "flags of /dev": ["relatime", "ro" if recursive else "rw"],
    }


CASE = Case(
    claim="mount_setattr with AT_RECURSIVE makes a whole root read-only from which store and /tmp are then taken out; on a copy"
          " by open_tree that happens before it is seen.",
    cites=(
        "mount_setattr(2), 'DESCRIPTION', AT_RECURSIVE and AT_EMPTY_PATH",
        "open_tree(2), OPEN_TREE_CLONE; move_mount(2)",
        "do_mount_setattr() in fs/namespace.c: a mount that has a parent must be in the caller's mount namespace",
        "2a1867219c7b (\"fs: add mount_setattr()\"), 5.12",
        "c4a16820d901 (\"fs: add open_tree_attr()\"), 6.15",
    ),
    params={"way": tuple(WAYS)},
    expect=expected,
    needs=lambda way: tuple("syscall:" + name for name in sorted({step[0] for step in WAYS[way]} - {"mount"})),
    survivors={
        'drop chdir("machine")': "Relative paths lead to the same files wherever they begin: the lab's directory would do as"
            " well.",
    },
)


def observe(lab, way):
    lab.tmpfs("machine")
    lab.chdir("machine")
    for path in ("root", "root/tmp", "root/gnu", "root/gnu/store", "root/dev"):
        lab.mkdir(path, 0o755)
    lab.values([("mount", "dev", "root/dev", "tmpfs", 0, "mode=755"), *SELF_BINDS])
    write = ("mkdir", "root/made", 0o755)
    seen = lab.batch([step for call in WAYS[way] for step in [call, write, ("rmdir", "root/made")]])
    made = lab.batch([("mkdir", "root%s/made" % place, 0o755) for place in PLACES])
    return {"steps": seen[::3], "root after each step": seen[1::3],
            "at last": {place or "/": answer for place, answer in zip(PLACES, made)},
            "flags of /dev": sorted(lab.mountinfo("root/dev")["flags"])}
