"""A mount that another one covers has its own flags, and no path leads to it: only AT_RECURSIVE from above reaches it.

To make a tree read-only on a kernel without mount_setattr(2), software reads the mount points from mountinfo and remounts
each. A place on which two mounts lie is listed twice, and both times the call finds the upper one. The lower one stays
writable, and shows itself as soon as the upper is gone. That is no rare thing: whatever is bound onto itself, as the
recipe for a read-only root does it, lies on such a place.

mount_setattr(2) with AT_RECURSIVE goes by the tree of mounts instead, in which the upper one is a child of the lower, and
changes both. It starts, though, where its path leads: what the target itself covers is not below it.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, MOUNT_ATTR, MS, O
from ksem.guest.lab import mount_options

CALLS = ("mount, on each mount point", "mount_setattr, on each mount point", "mount_setattr AT_RECURSIVE")
# What is changed, and where two mounts lie on one place.
STACKED = {"below the target": "top/place", "on the target": "top"}
UPPER = {"another filesystem": False, "a bind onto itself": True}


def expected(call, stacked, upper):
    recursive = "RECURSIVE" in call and stacked == "below the target"
    # A bind has the lower mount's nosuid; a remount that does not name it takes it off.
    kept = ["nosuid"] if UPPER[upper] and not call.startswith("mount,") else []
    return {"result": "ok" if "RECURSIVE" in call else ["ok"] * (3 if stacked == "below the target" else 2),
            "upper": mount_of(["ro", *kept]),
            "lower, when the upper is gone": mount_of(["ro", "nosuid"] if recursive else ["nosuid"])}


def mount_of(words):
    return {"flags": mount_options(words), "write": "EROFS" if "ro" in words else "ok"}


CASE = Case(
    claim="Remounting every mount point of a tree leaves mounts that others cover as they were; mount_setattr with AT_RECURSIVE"
          " changes those too, but for what the target itself covers.",
    cites=(
        "mount_setattr(2), 'DESCRIPTION', AT_RECURSIVE",
        "next_mnt() and do_mount_setattr() in fs/namespace.c; traverse_mounts() in fs/namei.c: a path ends at the topmost",
        "proc_pid_mountinfo(5)",
    ),
    params={"call": CALLS, "stacked": tuple(STACKED), "upper": tuple(UPPER)},
    expect=expected,
    needs=lambda call, stacked, upper: ("syscall:mount_setattr",) if "setattr" in call else (),
    documented="Neither mount(2) nor mount_setattr(2) speaks of mounts that are covered.",
)


def observe(lab, call, stacked, upper):
    place = STACKED[stacked]
    lab.tmpfs("top", ["nosuid"] if place == "top" else [])
    lab.file("top/file")
    if place != "top":
        lab.tmpfs(place, ["nosuid"])
        lab.file(place + "/file")
    if UPPER[upper]:
        lab.mount(place, place, None, MS.BIND, None)
    else:
        lab.mount("tmpfs", place, "tmpfs", 0, "mode=755")
        lab.file(place + "/file")
    result = changed(lab, call)
    seen = {"result": result, "upper": look(lab, place)}
    lab.umount2(place, 0)
    return dict(seen, **{"lower, when the upper is gone": look(lab, place)})


def changed(lab, call):
    if "RECURSIVE" in call:
        return lab.attempt.mount_setattr(AT_FDCWD, "top", AT.RECURSIVE, {"attr_set": MOUNT_ATTR.RDONLY})
    paths = ["top/" + point for point in lab.mounts_below("top")]
    if call.startswith("mount,"):
        return lab.batch([("mount", None, path, None, MS.REMOUNT | MS.BIND | MS.RDONLY, None) for path in paths])
    return lab.batch([("mount_setattr", AT_FDCWD, path, 0, {"attr_set": MOUNT_ATTR.RDONLY}) for path in paths])


def look(lab, path):
    return {"flags": sorted(lab.mountinfo(path)["flags"]), "write": lab.try_open(path + "/file", O.WRONLY)}
