"""mount_setattr(2) changes the flags and the propagation of a mount, or of a whole tree at once.

mount(2) can do neither: MS_REC is ignored with MS_REMOUNT, so that a sandbox had to walk mountinfo and remount each
mount by itself, in a race with whoever mounts. One mount_setattr with AT_RECURSIVE makes a tree read-only and private.
It came with 5.12, two years after the other calls of the new mount API; a 5.10 kernel has those and not this one.

The attribute nosymfollow came later still: until 5.14 it could be set by mount(2) only, and a kernel in between answers
EINVAL and changes nothing. The last row asks for an attribute that no kernel has: that, too, is EINVAL, and so it
is how a caller asks whether the kernel knows one.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, AT_FDCWD, MOUNT_ATTR, MS
from ksem.guest.lab import mount_options

# What is asked of the tree, and which options its mounts then show.
CHANGES = {
    "ro, whole tree": (AT.RECURSIVE, {"attr_set": MOUNT_ATTR.RDONLY}),
    "nosuid, top alone": (0, {"attr_set": MOUNT_ATTR.NOSUID}),
    "shared, whole tree": (AT.RECURSIVE, {"propagation": MS.SHARED}),
    "private, whole tree": (AT.RECURSIVE, {"propagation": MS.PRIVATE}),
    "nosymfollow, whole tree": (AT.RECURSIVE, {"attr_set": MOUNT_ATTR.NOSYMFOLLOW}),
    "unknown attribute": (AT.RECURSIVE, {"attr_set": 1 << 40}),
}


def with_nosymfollow():
    return table(lambda name: "EINVAL" if name == "unknown attribute" else "ok")


def without_nosymfollow():
    return table(lambda name: "EINVAL" if name in ("unknown attribute", "nosymfollow, whole tree") else "ok")


def without_the_call():
    return table(lambda name: "ENOSYS")


def table(result_of):
    """The changes follow each other on one tree, so each row shows what the earlier ones left too."""
    top, below, propagation = [], [], ["private"]
    rows = {}
    for name in CHANGES:
        result = result_of(name)
        if result == "ok":
            word = name.split(",")[0]
            if word in ("shared", "private"):
                propagation = [word]
            else:
                top = [*top, word]
                below = [*below, word] if "whole" in name else below
        rows[name] = {"result": result, "top": mount_options(top), "below": mount_options(below), "propagation": propagation}
    return rows


CASE = Case(
    claim="mount_setattr changes flags and propagation of one mount or a whole tree (5.12), nosymfollow among them (5.14).",
    cites=("mount_setattr(2), 'DESCRIPTION'", "2a1867219c7b (\"fs: add mount_setattr()\"), 5.12"),
    expect=(
        Rule(with_nosymfollow, since="5.14", cites="dd8b477f9a3d (\"mount: Support \"nosymfollow\" in new mount api\"), 5.14"),
        Rule(without_nosymfollow, since="5.12", cites="2a1867219c7b (\"fs: add mount_setattr()\"), 5.12"),
        Rule(without_the_call),
    ),
)


def observe(lab):
    lab.tmpfs("tree")
    lab.tmpfs("tree/below")
    rows = {}
    for name, (flags, change) in CHANGES.items():
        result = lab.attempt.mount_setattr(AT_FDCWD, "tree", flags, change)
        top, below = lab.mountinfo("tree"), lab.mountinfo("tree/below")
        rows[name] = {"result": result, "top": sorted(top["flags"]), "below": sorted(below["flags"]),
                      "propagation": sorted(set(top["propagation"] + below["propagation"]))}
    return rows
