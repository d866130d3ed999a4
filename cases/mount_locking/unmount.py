"""Mounts that come into a mount namespace of another user namespace as one unit cannot be taken apart there.

A mount may cover what its maker wanted covered. So when a mount namespace is copied and the copy belongs to another
user namespace, every mount in it is locked: it can be neither unmounted, detached nor moved, whatever capabilities its
root has there, and umount(2) says EINVAL rather than EPERM. Who made the mounts does not matter: an ordinary user's own
sandbox locks its mounts in just this way with one more unshare of both namespaces. It does not matter either
whether both are unshared at once or the user namespace first.

The other order gives no power at all (EPERM): that mount namespace belongs to the user namespace that was left. And
unshare(CLONE_NEWNS) alone copies the mounts into a namespace of the same owner: nothing new is locked.

What is mounted afterwards is not locked, also on top of a locked mount. A recursive bind of the tree can be thrown
away as a whole, but not taken apart.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MNT, MS

STEPS = {
    "user and mount": (CLONE.NEWUSER | CLONE.NEWNS,),
    "user, then mount": (CLONE.NEWUSER, CLONE.NEWNS),
    "mount": (CLONE.NEWNS,),
    "mount, then user": (CLONE.NEWNS, CLONE.NEWUSER),
}
TREE = (".", "a", "a/leaf", "b", "c")


def expected(unshared, maker):
    if unshared == "mount, then user":
        outcome = {name: {"mount": "EPERM"} for name in ("new mount", "mount on a leaf", "recursive bind")}
        refused = "EPERM"
    else:
        locked = unshared != "mount"
        refused = "EINVAL" if locked else "ok"
        outcome = {
            "new mount": {"mount": "ok", "unmount": "ok"},
            "mount on a leaf": {"mount": "ok", "unmount": "ok"},
            "recursive bind": {"mount": "ok", "unmount its leaf": refused, "unmount it": "EBUSY", "detach it": "ok",
                               "afterwards": []},
        }
    inherited = ("unmount a leaf", "detach a leaf", "move a leaf", "detach a mount in the middle", "detach the tree")
    outcome["inherited"] = dict.fromkeys(inherited, refused)
    outcome["left of the tree"] = [] if refused == "ok" else list(TREE)
    return outcome


CASE = Case(
    claim="In a mount namespace that belongs to a new user namespace, inherited mounts can be neither unmounted nor"
          " moved (EINVAL); in one of the same owner they can.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "umount(2), 'ERRORS', EINVAL: target is locked",
        "5ff9d8a65ce8 (\"vfs: Lock in place mounts from more privileged users\"), 3.12",
    ),
    params={"unshared": tuple(STEPS), "maker": ("the machine's root", "an ordinary user's sandbox")},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("userns",),
    survivors={
        "drop lab.enter_sandbox": "Root gets the same answers, as is claimed.",
    },
)


def observe(lab, unshared, maker):
    if "sandbox" in maker:
        lab.enter_sandbox()
    for directory in ("tree", "copy", "new", "moved"):
        lab.mkdir(directory, 0o755)
    build(lab)
    for step in STEPS[unshared]:
        lab.unshare(step)
    return {
        "new mount": mount_and_unmount(lab, "new"),
        "mount on a leaf": mount_and_unmount(lab, "tree/a/leaf"),
        "recursive bind": take_a_copy_apart(lab),
        "inherited": {
            "unmount a leaf": lab.attempt.umount2("tree/a/leaf", 0),
            "detach a leaf": lab.attempt.umount2("tree/b", MNT.DETACH),
            "move a leaf": lab.attempt.mount("tree/c", "moved", None, MS.MOVE, None),
            "detach a mount in the middle": lab.attempt.umount2("tree/a", MNT.DETACH),
            "detach the tree": lab.attempt.umount2("tree", MNT.DETACH),
        },
        "left of the tree": lab.mounts_below("tree"),
    }


def build(process):
    for path in TREE:
        if path != ".":
            process.mkdir("tree/" + path, 0o755)
        process.mount("tmpfs", "tree/" + path, "tmpfs", 0, "mode=755")


def mount_and_unmount(caller, path):
    mounted = caller.attempt.mount("tmpfs", path, "tmpfs", 0, "mode=755")
    if mounted != "ok":
        return {"mount": mounted}
    return {"mount": mounted, "unmount": caller.attempt.umount2(path, 0)}


def take_a_copy_apart(caller):
    mounted = caller.attempt.mount("tree", "copy", None, MS.BIND | MS.REC, None)
    if mounted != "ok":
        return {"mount": mounted}
    return {"mount": mounted,
            "unmount its leaf": caller.attempt.umount2("copy/a/leaf", 0),
            "unmount it": caller.attempt.umount2("copy", 0),
            "detach it": caller.attempt.umount2("copy", MNT.DETACH),
            "afterwards": caller.mounts_below("copy")}
