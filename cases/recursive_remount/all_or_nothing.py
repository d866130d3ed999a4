"""mount_setattr(2) changes a tree as a whole or not at all; remounting its mounts one by one leaves it half changed.

With AT_RECURSIVE the kernel first looks at every mount of the tree and only then changes any. A locked flag that would
be taken off (EPERM) or a file open for writing where read-only is asked for (EBUSY) on one mount leaves all as they
were, at the top as at the bottom, and writers that were held off for the check go on.

Whoever goes through the mounts with mount(2) must expect to stop half way: the mounts before the failure are changed by
then, and nobody puts them back. That is also what a fallback for kernels before 5.12 has to deal with.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MS, O
from ksem.guest.lab import mount_options

TREE = ("top", "top/a", "top/a/b")
PLACES = dict(zip(("at the top", "in the middle", "at the bottom"), TREE))
# What is asked for by each of the calls, and what it is answered where it cannot be had.
REASONS = {
    "a locked flag": (MS.NODEV, {"attr_set": MOUNT_ATTR.NODEV, "attr_clr": MOUNT_ATTR.NOSUID}, "EPERM"),
    "a writer": (MS.RDONLY, {"attr_set": MOUNT_ATTR.RDONLY}, "EBUSY"),
}


def expected(reason, place, call):
    failure = REASONS[reason][2]
    asked = "nodev" if reason == "a locked flag" else "ro"
    results, mounts = {}, {}
    for path in TREE:
        before = ["nosuid"] if reason == "a locked flag" and path == PLACES[place] else []
        fails = path == PLACES[place]
        results[path] = failure if fails else "ok"
        changed = call == "mount" and not fails
        now = [asked] if changed else before
        mounts[path] = {"flags": mount_options(now), "write": "EROFS" if "ro" in now else "ok"}
    return {"result": results if call == "mount" else failure, "mounts": mounts}


CASE = Case(
    claim="mount_setattr with AT_RECURSIVE changes nothing in the tree when it cannot change all of it; mount on one mount"
          " after the other changes those that it can.",
    cites=(
        "mount_setattr(2), 'DESCRIPTION', AT_RECURSIVE, and 'ERRORS', EBUSY and EPERM",
        "mount_setattr_prepare() and mount_setattr_commit() in fs/namespace.c",
        "2a1867219c7b (\"fs: add mount_setattr()\"), 5.12",
    ),
    params={"reason": tuple(REASONS), "place": tuple(PLACES), "call": ("mount_setattr", "mount")},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=lambda reason, place, call: (("userns",) if reason == "a locked flag" else ())
    + (("syscall:mount_setattr",) if call == "mount_setattr" else ()),
)


def observe(lab, reason, place, call):
    flags, change, _ = REASONS[reason]
    for path in TREE:
        nosuid = MS.NOSUID if reason == "a locked flag" and path == PLACES[place] else 0
        lab.mkdir(path, 0o755)
        lab.mount("tmpfs", path, "tmpfs", nosuid, "mode=755")
        lab.file(path + "/file")
    if reason == "a locked flag":
        lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
    else:
        lab.open(PLACES[place] + "/file", O.WRONLY, 0)
    if call == "mount":
        result = {path: lab.attempt.mount(None, path, None, MS.REMOUNT | MS.BIND | flags, None) for path in TREE}
    else:
        result = lab.attempt.mount_setattr(AT_FDCWD, "top", AT.RECURSIVE, change)
    return {"result": result,
            "mounts": {path: {"flags": sorted(lab.mountinfo(path)["flags"]), "write": lab.try_open(path + "/file", O.WRONLY)}
                       for path in TREE}}
