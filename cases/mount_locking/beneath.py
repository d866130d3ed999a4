"""Sliding a mount beneath a locked one must not free it: refused at first, and later the lock passes to the newcomer.

MOVE_MOUNT_BENEATH puts a mount under the topmost one of a place, which can be unmounted afterwards to show what was
slid in: an update without a gap. Beneath a locked mount this was EINVAL from the start (6.5). From 7.1 on the kernel
allows it and has the new mount take the lock over, since it is the new one that covers what is secret: the old cover,
locked until then, comes off, and the newcomer does not.

Beneath a mount of one's own it works on every kernel that has the flag. An inherited, locked mount cannot be what is
moved.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT_FDCWD, CLONE, MOVE_MOUNT, MS

UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}


def expected(unshared, kernel="passes the lock on"):
    locked = unshared == "user and mount"
    free = outcome("ok", "ok", "newcomer", "ok", "secret")
    # Without a newcomer the cover is all that there is.
    refused = outcome("EINVAL", "ok", "secret", "not there", "secret")
    firm = outcome("EINVAL", "EINVAL", "cover", "not there", "cover")
    passed = outcome("ok", "ok", "newcomer", "EINVAL", "newcomer")
    own = refused if kernel == "has no such flag" else free
    inherited = (passed if kernel == "passes the lock on" else firm) if locked else own
    moved = "EINVAL" if locked or kernel == "has no such flag" else "ok"
    return {"beneath an inherited mount": inherited, "beneath one's own": own, "an inherited mount moved": moved}


def outcome(move, cover, then, newcomer, last):
    return {"move": move, "unmount the cover": cover, "then seen": [then], "unmount the newcomer": newcomer,
            "at last seen": [last]}


CASE = Case(
    claim="A mount moved beneath a locked one (MOVE_MOUNT_BENEATH) does not open a way to look beneath.",
    cites=(
        "move_mount(2), MOVE_MOUNT_BENEATH",
        "can_move_mount_beneath() in fs/namespace.c",
        "6ac392815628 (\"fs: allow to mount beneath top mount\"), 6.5",
    ),
    params={"unshared": tuple(UNSHARED)},
    expect=(
        Rule(expected, since="7.1", cites="c62a4766937e (\"move_mount: transfer MNT_LOCKED\"), 7.1"),
        Rule(lambda unshared: expected(unshared, "refuses"), since="6.5",
             cites="can_move_mount_beneath() in fs/namespace.c: EINVAL for MNT_LOCKED"),
        Rule(lambda unshared: expected(unshared, "has no such flag"), cites="move_mount(2), 'ERRORS', EINVAL: flags"),
    ),
    options=("CONFIG_USER_NS",),
    needs=("userns", "syscall:move_mount"),
    survivors={
        'drop mkdir("cover/cover"*': "What a cover holds would show only where it stays.",
    },
)


def observe(lab, unshared):
    for place in ("inherited", "own", "third", "mine", "another", "theirs"):
        lab.mkdir(place, 0o755)
    for name in ("secret", "cover", "newcomer"):
        lab.mkdir(name, 0o755)
        lab.mkdir("%s/%s" % (name, name), 0o755)
    lay(lab, "secret", "inherited")
    lay(lab, "secret", "own")
    lay(lab, "cover", "inherited")
    lay(lab, "newcomer", "theirs")
    lab.unshare(UNSHARED[unshared])
    lay(lab, "cover", "own")
    lay(lab, "cover", "third")
    lay(lab, "newcomer", "mine")
    lay(lab, "newcomer", "another")
    return {
        "an inherited mount moved": lab.attempt.move_mount(AT_FDCWD, "theirs", AT_FDCWD, "third", MOVE_MOUNT.BENEATH),
        "beneath an inherited mount": slide(lab, "mine", "inherited"),
        "beneath one's own": slide(lab, "another", "own"),
    }


def lay(process, name, place):
    process.mount(name, place, None, MS.BIND, None)


def slide(lab, source, place):
    result = lab.attempt.move_mount(AT_FDCWD, source, AT_FDCWD, place, MOVE_MOUNT.BENEATH)
    cover = lab.attempt.umount2(place, 0)
    then = seen(lab, place)
    newcomer = lab.attempt.umount2(place, 0) if result == "ok" else "not there"
    return {"move": result, "unmount the cover": cover, "then seen": then, "unmount the newcomer": newcomer,
            "at last seen": seen(lab, place)}


def seen(lab, place):
    return [name for name in ("secret", "cover", "newcomer") if lab.attempt.access("%s/%s" % (place, name), 0) == "ok"]
