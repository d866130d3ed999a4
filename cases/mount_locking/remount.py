"""Flags of inherited mounts cannot be taken away in a mount namespace that belongs to a new user namespace.

When the mounts are copied into it, read-only, nosuid, nodev and noexec are locked on each mount that has them, and the
kind of access time is locked on every mount, in both directions. A remount that would change a locked flag is EPERM and
changes nothing, on the mount itself as on a bind made of it. Flags may be added, and what was added may be
taken off again. With mount(2) a flag that is not named is a flag taken away, except the kind of access time, which is
kept when none is named.

One flag is never locked: nosymfollow, which came later, in 5.10. A sandbox that relies on it must know that its
inhabitant, with one unshare, takes it off.

The same is seen by mounts that root made and by those of an ordinary user's sandbox after one more unshare of both
namespaces. unshare(CLONE_NEWNS) alone locks nothing.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, CLONE, MOUNT_ATTR, MS
from ksem.guest.lab import mount_flags, mount_options

UNSHARED = {
    "user and mount": CLONE.NEWUSER | CLONE.NEWNS,
    "user and mount, in an ordinary user's sandbox": CLONE.NEWUSER | CLONE.NEWNS,
    "mount": CLONE.NEWNS,
}
LOCKABLE = ("ro", "nosuid", "nodev", "noexec")
FLAGS = (*LOCKABLE, "nosymfollow")
ACCESS_TIMES = ("noatime", "nodiratime", "strictatime")
ATTRIBUTES = {
    "ro": MOUNT_ATTR.RDONLY, "nosuid": MOUNT_ATTR.NOSUID, "nodev": MOUNT_ATTR.NODEV, "noexec": MOUNT_ATTR.NOEXEC,
    "nosymfollow": MOUNT_ATTR.NOSYMFOLLOW, "noatime": MOUNT_ATTR.NOATIME, "strictatime": MOUNT_ATTR.STRICTATIME,
    "nodiratime": MOUNT_ATTR.NODIRATIME, "relatime": 0,
}
# MOUNT_ATTR__ATIME is a field; a change must clear it.
ATIME_FIELD = 0x70


def expected(unshared, call):
    return {flag: outcome(flag, locked=unshared != "mount") for flag in ("none", *FLAGS, *ACCESS_TIMES)}


def outcome(flag, locked):
    before = [] if flag == "none" else [flag]
    taken = locked and flag in LOCKABLE + ACCESS_TIMES
    taken_off = {"result": "EPERM", "flags": mount_options(before)} if taken else {"result": "ok", "flags": mount_options([])}
    other = [word for word in before if word in FLAGS] + [other_access_time(flag)]
    return {
        "inherited": mount_options(before),
        "flag taken off": taken_off,
        "flag taken off a bind": taken_off,
        "other access time": {"result": "EPERM" if locked else "ok", "flags": mount_options(before if locked else other)},
        "same flags": {"result": "ok", "flags": mount_options(before)},
        "all flags added": {"result": "ok", "flags": mount_options([*FLAGS, *before])},
        "added flags taken off": {"result": "ok", "flags": mount_options(before)},
    }


def other_access_time(flag):
    return "strictatime" if flag == "noatime" else "noatime"


CASE = Case(
    claim="In a mount namespace that belongs to a new user namespace, inherited mounts keep ro, nosuid, nodev, noexec"
          " and their kind of access time (EPERM); flags can be added.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "mount(2), 'ERRORS', EPERM",
        "mount_setattr(2), 'ERRORS', EPERM",
        "lock_mnt_tree() and can_change_locked_flags() in fs/namespace.c: there is no MNT_LOCK_NOSYMFOLLOW",
        "\"mnt: Only change user settable mount flags in remount\", 3.17, CVE-2014-5206",
        "9566d6742852 (\"mnt: Correct permission checks in do_remount\"), 3.17, CVE-2014-5207",
        "dab741e0e02b (\"Add a \"nosymfollow\" mount option.\"), 5.10",
    ),
    params={"unshared": tuple(UNSHARED), "call": ("mount", "mount_setattr")},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=lambda unshared, call: ("userns",) + (("syscall:mount_setattr",) if call == "mount_setattr" else ()),
    documented="mount_namespaces(7) and mount(2) name MS_RDONLY, MS_NOSUID, MS_NOEXEC and the access times as locked;"
               " MS_NODEV is locked too. Neither says that MS_NOSYMFOLLOW is not.",
    survivors={
        'drop mount(NULL, "none", NULL, MS_REMOUNT|MS_BIND, NULL)': "It sets no flag, for the mount that has none.",
        "drop lab.enter_sandbox": "Root gets the same answers, as is claimed.",
    },
)


def observe(lab, unshared, call):
    change = {"mount": by_mount, "mount_setattr": by_mount_setattr}[call]
    if "sandbox" in unshared:
        lab.enter_sandbox()
    mounts = build(lab)
    lab.unshare(UNSHARED[unshared])
    for path in mounts:
        lab.mount(path, bind_of(path), None, MS.BIND, None)
    return {flag: look(lab, change, flag, words) for flag, words in mounts.items()}


def build(lab):
    """A mount for each flag; a remount sets it, so that it is the mount's alone and not its filesystem's."""
    mounts = {flag: [] if flag == "none" else [flag] for flag in ("none", *FLAGS, *ACCESS_TIMES)}
    for path, words in mounts.items():
        lab.mkdir(path, 0o755)
        lab.mkdir(bind_of(path), 0o755)
        lab.mount("tmpfs", path, "tmpfs", 0, "mode=755")
        lab.mount(None, path, None, MS.REMOUNT | MS.BIND | mount_flags(words), None)
    return mounts


def bind_of(path):
    return "bind of " + path


def look(caller, change, path, inherited):
    """Every change starts from the inherited flags, and is followed by a look at the mount."""
    flags = [word for word in inherited if word in FLAGS]
    atime = other_access_time(path)
    full = list(FLAGS) + [word for word in inherited if word not in FLAGS]
    steps = [
        ("flag taken off", path, inherited, []),
        ("flag taken off a bind", bind_of(path), inherited, []),
        ("back", path, [], inherited),
        ("other access time", path, inherited, [*flags, atime]),
        ("back", path, [atime], inherited),
        ("same flags", path, inherited, inherited),
        ("all flags added", path, inherited, full),
        ("added flags taken off", path, full, inherited),
    ]
    calls = [call for _, target, before, after in steps
             for call in (change(target, before, after), ("mountinfo", target))]
    first, *outcomes = caller.batch([("mountinfo", path), *calls])
    seen = {"inherited": sorted(first["flags"])}
    for (name, _, _, _), result, mount in zip(steps, outcomes[::2], outcomes[1::2]):
        if name != "back":
            seen[name] = {"result": result, "flags": sorted(mount["flags"])}
    return seen


def by_mount(path, before, after):
    """Names all that is to be; the kind of access time only where it is to change."""
    named = after
    if access_time(before) != access_time(after) and not access_time(after):
        named = [*after, "relatime"]
    return "mount", None, path, None, MS.REMOUNT | MS.BIND | mount_flags(named), None


def by_mount_setattr(path, before, after):
    """Names what is to change."""
    new = [word for word in after if word not in before]
    gone = [word for word in before if word not in after]
    clear = sum(ATTRIBUTES[word] for word in gone if word in (*FLAGS, "nodiratime"))
    if access_time(before) != access_time(after):
        clear |= ATIME_FIELD
    change = {"attr_set": sum(ATTRIBUTES[word] for word in new), "attr_clr": clear}
    return "mount_setattr", AT_FDCWD, path, 0, change


def access_time(words):
    return [word for word in words if word in ACCESS_TIMES]
