"""What a locked mount covers stays out of reach by every call that looks up names; a descriptor from before leads there.

A cover that was laid before the unshare of user and mount namespace is locked, and every way around it is shut:
unmounting it, a bind or a copy of the directory that it lies in, an overlay with that directory as a layer (which
clones its mount), renaming or removing the place. One that the sandbox has laid itself is its own to lift, and with
unshare(CLONE_NEWNS) alone all covers are.

The lock is on the mount tree and not on the files. Whoever got a descriptor of the covered directory before the cover
was laid goes on walking from there, in whatever namespace. What such a descriptor cannot do is to be bound into the
tree from another mount namespace (EINVAL). So a sandbox must not leave descriptors open from before.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, CLONE, MS, OPEN_TREE, O

UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}


def expected(unshared, laid, user_overlay=True):
    locked = unshared == "user and mount" and laid == "before the unshare"
    shut = {"result": "EINVAL", "secret": "ENOENT"}
    found = {"result": "ok", "secret": "ok"}
    table = dict.fromkeys(("bind of the parent", "copy of the parent", "overlay on the parent"), shut if locked else found)
    if unshared == "user and mount" and not user_overlay:
        table["overlay on the parent"] = {"result": "EPERM", "secret": "ENOENT"}
    return {
        "by name": "ENOENT",
        "ways": table,
        "by a descriptor from before": {"open": "ok", "bind": "EINVAL" if laid == "before the unshare" else "ok"},
        "rename the place": "EBUSY", "remove the place": "EBUSY",
        "unmount the cover": shut if locked else found,
    }


CASE = Case(
    claim="What a locked mount covers is reached neither by unmounting nor by a bind, a copy, an overlay or a rename; only by a"
          " descriptor that was open before.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "has_locked_children() in fs/namespace.c, called for binds and copies and by clone_private_mount()",
        "check_mnt() in fs/namespace.c: the source of a bind must be in the caller's mount namespace",
        "5ff9d8a65ce8 (\"vfs: Lock in place mounts from more privileged users\"), 3.12",
        "427215d85e8d (\"ovl: prevent private clone if bind mount is not allowed\"), 5.14, CVE-2021-3732",
    ),
    params={"unshared": tuple(UNSHARED), "laid": ("before the unshare", "after the unshare")},
    expect=(
        Rule(expected, since="5.11", cites="459c7c565ac3 (\"ovl: unprivieged mounts\"), 5.11"),
        Rule(lambda unshared, laid: expected(unshared, laid, user_overlay=False),
             cites="before 5.11 an overlay cannot be mounted in a user namespace"),
    ),
    options=("CONFIG_USER_NS",),
    needs=("root", "userns", "syscall:open_tree", "fs:overlay"),
    survivors={
        "drop unshare(*": "A cover that is laid afterwards is one's own to lift, in whatever namespaces.",
    },
)


def observe(lab, unshared, laid):
    lab.tmpfs("parent")
    for path in ("parent/place", "parent/place/secret", "empty", "bound", "overlay", "from before"):
        lab.mkdir(path, 0o755)
    if laid == "before the unshare":
        before = lay(lab)
        lab.unshare(UNSHARED[unshared])
    else:
        lab.unshare(UNSHARED[unshared])
        before = lay(lab)
    observation = {"by name": lab.attempt.access("parent/place/secret", 0), "ways": ways(lab)}
    observation["by a descriptor from before"] = {
        "open": lab.attempt.openat(before, "secret", O.DIRECTORY, 0),
        "bind": lab.attempt.mount("/proc/self/fd/%d" % before, "from before", None, MS.BIND, None)}
    observation["rename the place"] = lab.attempt.rename("parent/place", "parent/other place")
    observation["remove the place"] = lab.attempt.rmdir("parent/place")
    observation["unmount the cover"] = {"result": lab.attempt.umount2("parent/place", 0),
                                        "secret": lab.attempt.access("parent/place/secret", 0)}
    return observation


def lay(lab):
    before = lab.open("parent/place", O.DIRECTORY, 0)
    lab.mount("tmpfs", "parent/place", "tmpfs", 0, "mode=755")
    return before


def ways(lab):
    bound = lab.attempt.mount("parent", "bound", None, MS.BIND, None)
    copy, error = lab.issue("open_tree", [AT_FDCWD, "parent", OPEN_TREE.CLONE])
    layered = lab.attempt.mount("overlay", "overlay", "overlay", 0, "lowerdir=parent:empty")
    opened = "ENOENT" if error else lab.attempt.openat(copy, "place/secret", 0, 0)
    return {
        "bind of the parent": {"result": bound, "secret": lab.attempt.access("bound/place/secret", 0)},
        "copy of the parent": {"result": error or "ok", "secret": opened},
        "overlay on the parent": {"result": layered, "secret": lab.attempt.access("overlay/place/secret", 0)},
    }
