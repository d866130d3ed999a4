"""statx(2) tells which mount a path lies on and whether it is its root (5.8), since 6.8 by an id that is never used again.

A program that walks a tree and must not leave it compared device numbers, which a bind mount of the same filesystem shares.
The mount id tells the two apart, and STATX_ATTR_MOUNT_ROOT says of a path that something is mounted there. Ids of mountinfo
are used again after an unmount; STATX_MNT_ID_UNIQUE gives one that is not, and which statmount(2) takes. A kernel that does
not know what it is asked for leaves it out of the mask, which is no error.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import MNT

PATHS = ("source/file", "bind", "bind/file", "source")


def expected(unique):
    return {
        "statx": {path: {"id": True, "unique id": unique, "root of a mount": not path.endswith("file")} for path in PATHS},
        "same as the source's": {"id": False, "unique id": False if unique else "none"},
        "same within the mount": {"id": True, "unique id": True if unique else "none"},
        "after unmount": {"id": True, "root of a mount": False, "unique id": unique},
    }


CASE = Case(
    claim="statx gives the id of the mount and says whether a path is its root (5.8); an id that is not used again since 6.8.",
    cites=(
        "statx(2), STATX_MNT_ID, STATX_MNT_ID_UNIQUE and STATX_ATTR_MOUNT_ROOT",
        "fa2fcf4f1df1 (\"statx: add mount ID\"), 5.8",
        "80340fe3605c (\"statx: add mount_root\"), 5.8",
    ),
    expect=(
        Rule(expected(True), since="6.8", cites="98d2b4308197 (\"add unique mount ID\"), 6.8"),
        Rule(expected(False)),
    ),
)


def observe(lab):
    lab.tmpfs("source")
    lab.file("source/file")
    lab.bind("source", "bind")
    seen = {"statx": {path: lab.mount_identity(path) for path in PATHS}}
    for name, path in (("same as the source's", "source"), ("same within the mount", "bind")):
        unique = lab.same_mount(path, "bind/file", True) if seen["statx"]["bind"]["unique id"] else "none"
        seen[name] = {"id": lab.same_mount(path, "bind/file", False), "unique id": unique}
    lab.umount2("bind", MNT.DETACH)
    seen["after unmount"] = lab.mount_identity("bind")
    return seen
