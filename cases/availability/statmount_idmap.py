"""statmount(2) shows the id map of an idmapped mount, in the ids of whoever asks (6.15).

mountinfo says that a mount is idmapped, not how. With STATMOUNT_MNT_UIDMAP and _GIDMAP one gets the map as lines of three
numbers, like those of /proc/PID/uid_map: what the filesystem stores, and what the mount shows, that in the caller's numbers.
Ranges for which the caller has none are left out, so that root of a sandbox may see an idmapped mount with no map at all. The
field is in the mask for every idmapped mount, and for no other.

In 6.15 and 6.16 the question is fatal: where a range is shown the kernel writes to an address that was never set, and oopses,
for any user who can reach an idmapped mount. It was mended with 6.18, and in 6.17; 6.16 had no update any more. The case does
not ask there.
"""


from ksem.guest.case import Case, Rule, Unsupported
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE, STATMOUNT
from ksem.guest.lab import GROUP, OTHER, OWNER

# Stored: shown.
MAP = {0: OWNER, 7: OTHER}
READERS = {"root": None, "a namespace with both": ({0: OWNER, 1: OTHER}, {0: OWNER, 1: OTHER}),
           "a namespace with one": ({0: OWNER}, {0: OWNER}), "a namespace with neither": ({0: GROUP}, {0: GROUP})}
FIELDS = STATMOUNT.MNT_UIDMAP | STATMOUNT.FS_TYPE


def since_6_15(reader):
    maps = READERS[reader]
    count = len(MAP) if maps is None else sum(shown in maps[0].values() for shown in MAP.values())
    return {"idmapped": dict(PLAIN, fields="STATMOUNT_FS_TYPE|STATMOUNT_MNT_UIDMAP", uidmaps=count), "plain": PLAIN}


PLAIN = {"fields": "STATMOUNT_FS_TYPE", "fs_type": "tmpfs"}


def since_6_8(reader):
    return {"idmapped": PLAIN, "plain": PLAIN}


CASE = Case(
    claim="statmount gives the id map of an idmapped mount in the caller's ids (6.15), without what it has none for.",
    cites=(
        "statmount_mnt_idmap() in fs/mnt_idmapping.c; statmount(2), 'DESCRIPTION'",
        "0778ac7df513, 6.18: statmount_string() in fs/namespace.c sets the pointer that it writes the map's offset to",
    ),
    params={"reader": tuple(READERS)},
    expect=(
        Rule(since_6_15, since="6.15", cites="37c4a9590e1e (\"statmount: allow to retrieve idmappings\"), 6.15"),
        Rule(since_6_8, since="6.8", cites="46eae99ef733 (\"add statmount(2) syscall\"), 6.8: what is not known is left out"),
        Rule(lambda reader: {"idmapped": "ENOSYS", "plain": "ENOSYS"}),
    ),
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "flip statmount(*": "The first answer only tells whether there is the call.",
    },
)


FATAL = ("6.15.", "6.16.")


def observe(lab, reader):
    if lab.machine.release.startswith(FATAL):
        raise Unsupported("a NULL dereference in statmount_string() ends this kernel (0778ac7df513, 6.18)")
    lab.tmpfs("plain")
    if answer(lab, "plain") == "ENOSYS":
        return {"idmapped": "ENOSYS", "plain": "ENOSYS"}
    lab.mkdir("idmapped", 0o755)
    holder = lab.fork("map")
    holder.unshare(CLONE.NEWUSER)
    lab.map_ids(holder, MAP, MAP, by=lab)
    tree = lab.open_tree(AT_FDCWD, "plain", OPEN_TREE.CLONE)
    namespace = lab.open("/proc/%d/ns/user" % holder.pid, 0, 0)
    result = lab.attempt.mount_setattr(tree, "", AT.EMPTY_PATH, {"attr_set": MOUNT_ATTR.IDMAP, "userns_fd": namespace})
    if result == "EINVAL":
        raise Unsupported("no idmapped mounts of tmpfs")
    lab.move_mount(tree, "", AT_FDCWD, "idmapped", MOVE_MOUNT.F_EMPTY_PATH)
    process = lab.fork("root") if READERS[reader] is None else lab.mapped("reader", *READERS[reader])
    return {name: answer(process, name) for name in ("idmapped", "plain")}


def answer(process, path):
    value, error = process.issue("statmount", [{"mount": path, "param": FIELDS}, 0])
    return error or value
