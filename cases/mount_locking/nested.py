"""Locks add up: what each namespace was given stays locked in every one below it, and its own mounts join them.

One mount and one flag are made in each generation of namespaces: by the machine, after the first unshare, after the
second. Then the last of them tries to undo all. A mount or a flag is locked where an unshare of user and mount
namespace lies between its making and the attempt, no matter how many further ones follow and of which kind. In
particular unshare(CLONE_NEWNS) alone, which locks nothing new, takes no lock off: the copy of a locked mount is locked.

So a sandbox can be trusted to hold when its inhabitant nests namespaces of its own, and one that sets up its mounts in
a user namespace of its own needs exactly one more unshare of both to lock them.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MS
from ksem.guest.lab import mount_flags, mount_options

BOTH, MOUNT = CLONE.NEWUSER | CLONE.NEWNS, CLONE.NEWNS
STEPS = {
    "mount": (MOUNT,),
    "mount; mount": (MOUNT, MOUNT),
    "user and mount": (BOTH,),
    "user and mount; mount": (BOTH, MOUNT),
    "mount; user and mount": (MOUNT, BOTH),
    "user and mount; user and mount": (BOTH, BOTH),
    "user and mount; mount; user and mount": (BOTH, MOUNT, BOTH),
    "user and mount; user and mount; mount": (BOTH, BOTH, MOUNT),
}
GENERATIONS = ("before", "after the first", "after the second", "after the third")


def expected(unshared):
    steps = STEPS[unshared]
    # What was made before step N is locked if N or a later step made a user namespace.
    locked = [BOTH in steps[number:] for number in range(len(steps) + 1)]
    return {name: attempts(lock) for name, lock in zip(GENERATIONS, locked)}


def attempts(locked):
    return {
        "take nosuid off": {"result": "EPERM" if locked else "ok", "flags": mount_options(["nosuid"] if locked else [])},
        "unmount": "EINVAL" if locked else "ok",
        "what it covered": "ENOENT" if locked else "ok",
    }


CASE = Case(
    claim="Each unshare of user and mount namespace locks all mounts made up to then, and no later unshare of any kind"
          " takes a lock off.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "copy_mnt_ns() in fs/namespace.c: lock_mnt_tree() when the new owner is another user namespace; clone_mnt() copies the"
        " lock bits with the flags",
        "3bd045cc9c4b (\"separate copying and locking mount tree on cross-userns copies\"), 5.1",
    ),
    params={"unshared": tuple(STEPS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("userns",),
)


def observe(lab, unshared):
    made = [make(lab, 0)]
    for number, step in enumerate(STEPS[unshared], 1):
        lab.unshare(step)
        if step & CLONE.NEWUSER:
            # A process whose ids are unmapped cannot make the next user namespace.
            lab.map_ids(lab, {0: 0}, {0: 0})
        made.append(make(lab, number))
    return {name: undo(lab, path) for name, path in zip(GENERATIONS, made)}


def make(lab, number):
    """A directory with something in it, covered by a mount that is nosuid."""
    path = "generation %d" % number
    lab.mkdir(path, 0o755)
    lab.mkdir(path + "/covered", 0o755)
    lab.mount("tmpfs", path, "tmpfs", mount_flags(["nosuid"]), "mode=755")
    return path


def undo(lab, path):
    result = lab.attempt.mount(None, path, None, MS.REMOUNT | MS.BIND, None)
    flags = sorted(lab.mountinfo(path)["flags"])
    return {"take nosuid off": {"result": result, "flags": flags}, "unmount": lab.attempt.umount2(path, 0),
            "what it covered": lab.attempt.access(path + "/covered", 0)}
