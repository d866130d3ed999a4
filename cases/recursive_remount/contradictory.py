"""mount_setattr(2) rejects what makes no sense: half an access time, two propagation types, unknown bits (EINVAL).

Most attributes are bits of their own, and one that is both cleared and set ends up set. The access time is a field of
which relatime is the value 0: to change it, all of MOUNT_ATTR__ATIME must be cleared, and one value be set or none. To
set noatime alone, to clear it alone, or to set two kinds is EINVAL, although mount(2) takes each of these. nodiratime
is no part of the field.

A call that asks for nothing is a success without a look at the path. Without CAP_SYS_ADMIN over the mount namespace
everything is EPERM, whatever it asks, but unknown flags of the call itself. A detached mount, made by open_tree(2) and
named by its descriptor, takes the same changes as an attached one. What failed has changed nothing.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, MOUNT_ATTR, MS, OPEN_TREE
from ksem.guest.lab import GROUP, OWNER, mount_options

FIELD = 0x70
UNKNOWN = 1 << 40
NOATIME, STRICTATIME = MOUNT_ATTR.NOATIME, MOUNT_ATTR.STRICTATIME
# The change, its outcome, and the options that a mount which is noatime and nosuid has then.
CHANGES = {
    "nothing": ({}, "ok", "nosuid noatime"),
    "nodev set": ({"attr_set": MOUNT_ATTR.NODEV}, "ok", "nosuid nodev noatime"),
    "nosuid cleared": ({"attr_clr": MOUNT_ATTR.NOSUID}, "ok", "noatime"),
    "nosuid cleared and set": ({"attr_clr": MOUNT_ATTR.NOSUID, "attr_set": MOUNT_ATTR.NOSUID}, "ok", "nosuid noatime"),
    "strictatime set": ({"attr_set": STRICTATIME}, "EINVAL", ""),
    "noatime set, as it is": ({"attr_set": NOATIME}, "EINVAL", ""),
    "noatime cleared": ({"attr_clr": NOATIME}, "EINVAL", ""),
    "access time cleared": ({"attr_clr": FIELD}, "ok", "nosuid"),
    "access time cleared, strictatime set": ({"attr_clr": FIELD, "attr_set": STRICTATIME}, "ok", "nosuid strictatime"),
    "access time cleared, two set": ({"attr_clr": FIELD, "attr_set": STRICTATIME | NOATIME}, "EINVAL", ""),
    "nodiratime set": ({"attr_set": MOUNT_ATTR.NODIRATIME}, "ok", "nosuid noatime nodiratime"),
    "unknown bit set": ({"attr_set": UNKNOWN}, "EINVAL", ""),
    "unknown bit cleared beside nosuid": ({"attr_clr": UNKNOWN | MOUNT_ATTR.NOSUID}, "EINVAL", ""),
    "id map cleared": ({"attr_clr": MOUNT_ATTR.IDMAP}, "EINVAL", ""),
    "two propagation types": ({"propagation": MS.PRIVATE | MS.SHARED}, "EINVAL", ""),
    "a propagation type that is none": ({"propagation": MS.RDONLY}, "EINVAL", ""),
    "private beside nodev": ({"propagation": MS.PRIVATE, "attr_set": MOUNT_ATTR.NODEV}, "ok", "nosuid nodev noatime"),
}
START = {"attr_clr": FIELD | MOUNT_ATTR.NODEV | MOUNT_ATTR.NODIRATIME, "attr_set": MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOATIME}


def expected(caller, mount):
    powerless = caller == "an ordinary user"
    table = {}
    for name, (_, result, words) in CHANGES.items():
        unchanged = powerless or result != "ok"
        table[name] = {"result": "EPERM" if powerless else result,
                       "flags": mount_options(["nosuid", "noatime"] if unchanged else words.split())}
    return {"changes": table, "unknown flag of the call": "EINVAL",
            "no mountpoint": {"nothing": "EPERM" if powerless else "ok", "nodev set": "EPERM" if powerless else "EINVAL"},
            "no such path": {"nothing": "EPERM" if powerless else "ok", "nodev set": "EPERM" if powerless else "ENOENT"}}


CASE = Case(
    claim="mount_setattr answers EINVAL to an access time that is not changed as a whole, to contradictory propagation types"
          " and to unknown attributes, and changes nothing then.",
    cites=(
        "mount_setattr(2), 'DESCRIPTION' and 'ERRORS', EINVAL",
        "build_mount_kattr() in fs/namespace.c",
        "2a1867219c7b (\"fs: add mount_setattr()\"), 5.12",
    ),
    params={"caller": ("root", "an ordinary user"), "mount": ("attached", "detached")},
    expect=expected,
    needs=lambda caller, mount: ("syscall:mount_setattr", "syscall:open_tree") + (("root",) if caller != "root" else ()),
    documented="mount_setattr(2) does not say that a call which asks for nothing succeeds on a path that does not exist.",
)


def observe(lab, caller, mount):
    lab.tmpfs("mount", ["nosuid", "noatime"])
    lab.mkdir("directory", 0o755)
    place, flags = (AT_FDCWD, "mount"), 0
    if mount == "detached":
        place, flags = (lab.open_tree(AT_FDCWD, "mount", OPEN_TREE.CLONE), ""), AT.EMPTY_PATH
    who = lab
    if caller != "root":
        who = lab.become(lab.fork("user"), OWNER, GROUP)
    calls = [("mount_setattr", place[0], place[1], flags, change) for change, _, _ in CHANGES.values()]
    look = ("mount_options_at", place[1], place[0]) if mount == "detached" else ("mount_options_at", "mount")
    back = [("mount_setattr", place[0], place[1], flags, START)]
    seen = who.batch([step for call in calls for step in [call, look] + (back if who is lab else [])])
    step = len(seen) // len(calls)
    nothing, nodev = {}, {"attr_set": MOUNT_ATTR.NODEV}
    others = who.batch([("mount_setattr", place[0], place[1], flags | AT.SYMLINK_FOLLOW, nodev)] + [
        ("mount_setattr", AT_FDCWD, path, 0, change) for path in ("directory", "no such") for change in (nothing, nodev)])
    return {
        "changes": {name: {"result": result, "flags": options}
                    for name, result, options in zip(CHANGES, seen[::step], seen[1::step])},
        "unknown flag of the call": others[0],
        "no mountpoint": {"nothing": others[1], "nodev set": others[2]},
        "no such path": {"nothing": others[3], "nodev set": others[4]},
    }
