"""A copy of a locked mount has the same flags locked, however it was made; itself it can be thrown away.

Flags are copied with their locks. So a bind of a read-only mount cannot be made writable where the mount itself cannot,
nor can a copy by open_tree(2), neither attached nor before: the way round that a detached tree is for who made it outside
is none for who makes it inside. Adding flags works on each.

What is not copied is the lock on the place, for a copy covers nothing that was hidden: its top can be unmounted. Mounts
that it brought along below are held by theirs.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT, AT_FDCWD, CLONE, MNT, MOUNT_ATTR, MOVE_MOUNT, MS, OPEN_TREE
from ksem.guest.lab import mount_flags, mount_options

UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}
COPIES = ("bind", "recursive bind", "open_tree, attached", "open_tree, detached", "recursive open_tree, attached")
FLAGS = {"ro": MOUNT_ATTR.RDONLY, "nosuid": MOUNT_ATTR.NOSUID, "nodev": MOUNT_ATTR.NODEV, "noexec": MOUNT_ATTR.NOEXEC,
         "noatime": 0x70}


def expected(unshared, copy):
    locked = unshared == "user and mount"
    table = {}
    for word in FLAGS:
        table[word] = {"taken off": "EPERM" if locked else "ok", "flags": mount_options([word] if locked else [])}
    if copy == "open_tree, detached":
        return {"flags": table, "nosymfollow added": "ok"}
    found = {"flags": table, "nosymfollow added": "ok", "unmount it": "ok"}
    return dict(found, **{"unmount what is below": "EINVAL" if locked else "ok"}) if "recursive" in copy else found


CASE = Case(
    claim="Copies of locked mounts, by bind or open_tree, attached or detached, keep their flags locked (EPERM); the top of a"
          " copy can be unmounted, what it brought along below cannot (EINVAL).",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "clone_mnt() in fs/namespace.c: copies the MNT_LOCK_ flags; copy_tree(), which leaves MNT_LOCKED on all but the top",
        "can_change_locked_flags() in fs/namespace.c, called for mount(2) and mount_setattr(2)",
    ),
    params={"unshared": tuple(UNSHARED), "copy": COPIES},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=lambda unshared, copy: ("userns", "syscall:open_tree") + (("syscall:mount_setattr",) if "detached" in copy else ()),
)


def observe(lab, unshared, copy):
    for word in FLAGS:
        lab.tmpfs(word)
        if "recursive" in copy:
            # With a locked mount below, no other copy can be made.
            lab.tmpfs(word + "/below")
        lab.mount(None, word, None, MS.REMOUNT | MS.BIND | mount_flags([word]), None)
        lab.mkdir("copy of " + word, 0o755)
    lab.unshare(UNSHARED[unshared])
    tables, others = {}, {}
    for word in FLAGS:
        tables[word], found = take_off(lab, make(lab, copy, word), word, "recursive" in copy)
        for name, result in found.items():
            others.setdefault(name, set()).add(result)
    # Whatever the flag, the answer should be the same.
    return dict({name: " or ".join(sorted(results)) for name, results in others.items()}, flags=tables)


def make(lab, copy, word):
    """Where the copy is: a path, or a descriptor."""
    place = "copy of " + word
    if "bind" in copy:
        lab.mount(word, place, None, MS.BIND | (MS.REC if "recursive" in copy else 0), None)
        return place
    tree = lab.open_tree(AT_FDCWD, word, OPEN_TREE.CLONE | (AT.RECURSIVE if "recursive" in copy else 0))
    if "detached" in copy:
        return tree
    lab.values([("move_mount", tree, "", AT_FDCWD, place, MOVE_MOUNT.F_EMPTY_PATH), ("close", tree)])
    return place


def take_off(lab, made, word, with_below):
    if isinstance(made, int):
        calls = [("mount_setattr", made, "", AT.EMPTY_PATH, {"attr_clr": FLAGS[word]}), ("mount_options_at", "", made),
                 ("mount_setattr", made, "", AT.EMPTY_PATH, {"attr_set": MOUNT_ATTR.NOSYMFOLLOW})]
        result, flags, added = lab.batch(calls)
        return {"taken off": result, "flags": flags}, {"nosymfollow added": added}
    # The kind of access time is kept unless it is named.
    off = MS.REMOUNT | MS.BIND | (MS.RELATIME if word == "noatime" else 0)
    result, mount = lab.batch([("mount", None, made, None, off, None), ("mountinfo", made)])
    named = mount_flags([one for one in mount["flags"] if one in FLAGS and one != "noatime"] + ["nosymfollow"])
    calls = {"nosymfollow added": ("mount", None, made, None, MS.REMOUNT | MS.BIND | named, None)}
    if with_below:
        calls["unmount what is below"] = ("umount2", made + "/below", 0)
    calls["unmount it"] = ("umount2", made, MNT.DETACH)
    return {"taken off": result, "flags": sorted(mount["flags"])}, dict(zip(calls, lab.batch(calls.values())))
