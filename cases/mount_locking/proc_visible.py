"""A new procfs or sysfs in a user namespace shows no more than an old one there: one of them must be fully visible.

Both show much of the machine, so masks laid over parts of /proc, as container runtimes do, would be worth nothing if a
fresh instance could be had. So to mount one in a user namespace, which has to own the pid namespace (procfs) or the
network namespace (sysfs), is EPERM unless the mount namespace holds an instance that is whole: its root is mounted, and
no locked mount lies on a file or on a directory that may have names in it. A mount on a directory that is made to stay
empty, as a place for another filesystem, does no harm, nor does a mask that the sandbox has laid itself.

What is locked on that instance is demanded of the new one: read-only, and the kind of access time. The new one is
locked in the same way. nosuid, nodev and noexec are not demanded.

Whether anybody can reach the whole instance does not matter: one below a covered directory counts. A mount over its
root hides it.
"""

from ksem.guest.case import Case, Unsupported
from ksem.guest.flags import CLONE, MS
from ksem.guest.lab import mount_flags

# A directory with names in it, one made to stay empty, a file; and the namespace that must belong to the same user namespace.
KINDS = {
    "proc": {"directory": "sys", "empty directory": "fs/nfsd", "file": "version", "namespace": CLONE.NEWPID},
    "sysfs": {"directory": "fs", "empty directory": "kernel/debug", "file": "kernel/uevent_seqnum", "namespace": CLONE.NEWNET},
}
# How the machine left its one instance, and whether it is visible then.
VIEWS = {
    "whole": True,
    "without a namespace of one's own": False,
    "not there": False,
    "only a directory of it": False,
    "mask on a directory": False,
    "mask on an empty directory": True,
    "mask on a file": False,
    "mask laid inside": True,
    "cover on its root": False,
    "cover on the directory above": True,
    "ro": True,
    "nosuid nodev noexec": True,
    "noatime": True,
}
NEW = {"plain": [], "read-only": ["ro"], "noatime": ["noatime"], "read-only and noatime": ["ro", "noatime"]}


def expected(fs, view):
    return {name: tried(view, words) for name, words in NEW.items()}


def tried(view, words):
    access_time = ("noatime" in words) == (view == "noatime")
    if not VIEWS[view] or not access_time or (view == "ro" and "ro" not in words):
        return {"mount": "EPERM"}
    # Read-only that was only asked for can be taken off again.
    return {"mount": "ok", "made read-write": "EPERM" if view == "ro" else "ok", "other access time": "EPERM"}


CASE = Case(
    claim="procfs and sysfs can be mounted in a user namespace only where one is fully visible already, and only with the"
          " flags that are locked on that.",
    cites=(
        "mount_too_revealing() and mnt_already_visible() in fs/namespace.c",
        "1b852bceb0d1 (\"mnt: Refactor the logic for mounting sysfs and proc in a user namespace\"), 4.2",
        "mnt_already_visible() in fs/namespace.c: of the flags it compares MNT_LOCK_READONLY and MNT_LOCK_ATIME",
        "user_namespaces(7), 'Effect of capabilities within a user namespace': mounting of procfs and sysfs",
    ),
    params={"fs": tuple(KINDS), "view": tuple(VIEWS)},
    shown_with={"fs": "proc", "view": "mask on a directory"},
    expect=expected,
    options=("CONFIG_USER_NS", "CONFIG_PID_NS", "CONFIG_NET_NS", "CONFIG_NFSD"),
    needs=lambda fs, view: ("root", "userns", "fs:" + fs),
    documented="user_namespaces(7) names the filesystems that a user namespace may mount, and not this condition.",
    survivors={
        'drop mount("above/instance/*", "mask", NULL, MS_BIND*': "A directory of it alone is as good as nothing, as is"
            " claimed.",
        'drop mount("mask", "above/instance/*': "What the mounter has laid itself hides nothing from it, as is claimed.",
    },
)


def observe(lab, fs, view):
    hide_the_machines(lab, fs)
    for name in ("above", "above/instance", "new", "mask"):
        lab.mkdir(name, 0o755)
    lab.file("mask file")
    leave(lab, fs, view)
    own = KINDS[fs]["namespace"] if view != "without a namespace of one's own" else 0
    lab.unshare(CLONE.NEWUSER | CLONE.NEWNS | own)
    # A pid namespace is entered by the next child.
    inside = lab.fork("inside")
    if view == "mask laid inside":
        lay_mask(inside, fs, "directory")
    return {name: try_to_mount(inside, fs, words) for name, words in NEW.items()}


def hide_the_machines(lab, fs):
    """A mask on every instance that the machine has: then only the case's own can be visible."""
    for place in lab.mount_points(fs):
        lab.attempt.mount("mask", "%s/%s" % (place, {"proc": "tty", "sysfs": "fs"}[fs]), "tmpfs", 0, None)


def leave(lab, fs, view):
    """The case's own instance, as the view says."""
    place = "above/instance"
    flags = mount_flags(view.split()) if view in ("ro", "noatime", "nosuid nodev noexec") else 0
    if view == "not there":
        return
    lab.mount(fs, place, fs, 0, None)
    if flags:
        # On the mount, not on its filesystem.
        lab.mount(None, place, None, MS.REMOUNT | MS.BIND | flags, None)
    if view == "only a directory of it":
        lab.mount(place + "/" + KINDS[fs]["directory"], "mask", None, MS.BIND, None)
        lab.umount2(place, 0)
    elif view.startswith("mask on"):
        lay_mask(lab, fs, view.split(" ", 3)[-1])
    elif view.startswith("cover"):
        lab.mount("cover", place if "root" in view else "above", "tmpfs", 0, None)


def lay_mask(process, fs, kind):
    target = "above/instance/" + KINDS[fs][kind]
    if process.attempt.access(target, 0) == "ENOENT":
        raise Unsupported("no %s in %s" % (KINDS[fs][kind], fs))
    process.mount("mask file" if kind == "file" else "mask", target, None, MS.BIND, None)


def try_to_mount(inside, fs, words):
    result = inside.attempt.mount(fs, "new", fs, mount_flags(words), None)
    if result != "ok":
        return {"mount": result}
    relatime = MS.NOATIME if "noatime" in words else MS.RELATIME
    other = MS.RELATIME if "noatime" in words else MS.NOATIME
    remounts = [("mount", None, "new", None, MS.REMOUNT | MS.BIND | flags, None) for flags in (relatime, other)]
    outcome = inside.batch([*remounts, ("umount2", "new", 0)])
    return {"mount": result, "made read-write": outcome[0], "other access time": outcome[1]}
