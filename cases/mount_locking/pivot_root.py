"""pivot_root does not loosen a locked root: the lock passes to the new one, and the old can only be thrown away as a whole.

The new root must be a mount of one's own: an inherited one is locked (EINVAL), so that a bind of it comes first, as in
every container runtime. With the old root off its place the kernel swaps the locks: the new root is locked, and the old
one, which covers nothing any more, is free. It can be detached with all that is on it, but what is on it stays locked.
So there is a way to shed inherited mounts, and none to look beneath them.

Without a user namespace nothing is locked: each mount can be taken by itself, and in the end even the root be detached.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MNT, MS

UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}
ROOTS = ("an inherited mount", "a bind of an inherited mount", "a new filesystem")


def expected(unshared, root):
    locked = unshared == "user and mount"
    refused = "EINVAL" if locked else "ok"
    if locked and root == "an inherited mount":
        return {"pivot_root": "EINVAL"}
    return {
        "pivot_root": "ok",
        "mount on the old root": {"unmount": refused, "detach": refused, "move": refused},
        "old root": {"bind it alone": refused, "unmount": "EBUSY", "detach": "ok"},
        "left of it": [],
        "detach the new root": refused,
    }


CASE = Case(
    claim="A locked mount cannot be the new root of pivot_root (EINVAL); afterwards the new root is locked, and the old one can"
          " be detached as a whole but not taken apart.",
    cites=(
        "pivot_root(2), 'ERRORS', EINVAL",
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "pivot_root() in fs/namespace.c: EINVAL for a new root with MNT_LOCKED; the flag passes from the old root to the new",
        "5ff9d8a65ce8 (\"vfs: Lock in place mounts from more privileged users\"), 3.12",
    ),
    params={"unshared": tuple(UNSHARED), "root": ROOTS},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="pivot_root(2) does not name a locked new root among the reasons for EINVAL.",
    survivors={
        'drop umount2("target", 0)': "It makes room for what comes next.",
    },
)


def observe(lab, unshared, root):
    enter_root(lab)
    for path in ("a", "b", "c", "inherited"):
        lab.mkdir(path, 0o755)
        lab.mount("tmpfs", path, "tmpfs", 0, "mode=755")
    furnish(lab, "inherited")
    lab.unshare(UNSHARED[unshared])
    new = "inherited"
    if root == "a bind of an inherited mount":
        lab.mount("inherited", "new", None, MS.BIND | MS.REC, None)
        new = "new"
    elif root == "a new filesystem":
        if unshared == "user and mount":
            # Who has no id there cannot make files in what is mounted there.
            lab.map_ids(lab, {0: 0}, {0: 0})
        lab.mount("tmpfs", "new", "tmpfs", 0, "mode=755")
        furnish(lab, "new")
        new = "new"
    lab.chdir(new)
    return pivot(lab)


def enter_root(lab):
    """A root that has a parent: the root of an initramfs has none, and pivot_root refuses to put it elsewhere."""
    lab.tmpfs("root")
    lab.mkdir("root/new", 0o755)
    lab.mkdir("root/proc", 0o755)
    lab.mount("/proc", "root/proc", None, MS.BIND | MS.REC, None)
    lab.chdir("root")
    lab.mount(".", "/", None, MS.MOVE, None)
    lab.chroot(".")


def furnish(lab, path):
    """What a new root must have: a place for the old one, and a /proc to look at mounts in."""
    for name in ("old", "proc", "target"):
        lab.mkdir(path + "/" + name, 0o755)
    lab.mount("proc", path + "/proc", None, MS.BIND | MS.REC, None)


def pivot(lab):
    result = lab.attempt.pivot_root(".", "old")
    if result != "ok":
        return {"pivot_root": result}
    below = {"unmount": lab.attempt.umount2("old/a", 0), "detach": lab.attempt.umount2("old/b", MNT.DETACH),
             "move": lab.attempt.mount("old/c", "target", None, MS.MOVE, None)}
    if below["move"] == "ok":
        lab.umount2("target", 0)
    bound = lab.attempt.mount("old", "target", None, MS.BIND, None)
    if bound == "ok":
        lab.umount2("target", 0)
    old = {"bind it alone": bound, "unmount": lab.attempt.umount2("old", 0), "detach": lab.attempt.umount2("old", MNT.DETACH)}
    return {"pivot_root": result, "mount on the old root": below, "old root": old, "left of it": lab.mounts_below("old"),
            "detach the new root": lab.attempt.umount2("/", MNT.DETACH)}
