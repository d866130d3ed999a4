"""Mounting on top of what is locked is allowed, and taking that off again shows what was seen before, and no more.

A lock holds a mount in its place; it does not reserve the place. Root of a sandbox may cover a locked mount, a directory
in it or the directory above it with a filesystem of its own, move that cover elsewhere and unmount it. Each time it is
back at the locked mount, which the next umount(2) refuses (EINVAL). Where nothing is locked, that one takes the next
layer off, until the directory at the bottom is seen.

A descriptor of the locked mount, taken before it was covered, still leads to it and can be bound to another place; what
lies beneath it is not seen there either.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MS, O

UNSHARED = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS}
PLACES = {"on the locked mount": "top/place", "on a directory in it": "top/place/inner", "on the directory above": "top"}
NAMES = ("secret", "inner", "cover", "own")
BOTTOM, COVER, OWN = ["secret"], ["inner", "cover"], ["own"]


def expected(unshared, place):
    locked = unshared == "user and mount"
    on_it = place == "on the locked mount"
    covered = OWN if on_it else [] if place == "on the directory above" else COVER
    # Nothing is mounted on the other two places.
    second = "EINVAL" if locked or not on_it else "ok"
    return {
        "mount": {"result": "ok", "seen": covered}, "move it away": {"result": "ok", "seen": COVER},
        "move it back": {"result": "ok", "seen": covered}, "unmount": {"result": "ok", "seen": COVER},
        "unmount once more": {"result": second, "seen": BOTTOM if second == "ok" else COVER},
        "bind of the descriptor while it is covered": {"result": "ok", "seen": ["inner", "cover"]},
    }


CASE = Case(
    claim="A locked mount can be covered, and the cover moved and unmounted; that reveals the locked mount and never what it"
          " covers.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "umount(2), 'ERRORS', EINVAL",
        "can_umount() and do_move_mount() in fs/namespace.c: they ask for MNT_LOCKED of the mount itself",
        "5ff9d8a65ce8 (\"vfs: Lock in place mounts from more privileged users\"), 3.12",
    ),
    params={"unshared": tuple(UNSHARED), "place": tuple(PLACES)},
    shown_with={"unshared": "user and mount", "place": "on the locked mount"},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("userns",),
)


def observe(lab, unshared, place):
    for name in ("top", "top/place", "top/place/secret", "elsewhere", "bound", "files", "files/own"):
        lab.mkdir(name, 0o755)
    lab.mount("tmpfs", "top/place", "tmpfs", 0, "mode=755")
    for name in ("cover", "inner"):
        lab.mkdir("top/place/" + name, 0o755)
    lab.unshare(UNSHARED[unshared])
    path = PLACES[place]
    descriptor = lab.open("top/place", O.PATH | O.DIRECTORY, 0)
    steps = {
        "mount": ("mount", "files", path, None, MS.BIND, None),
        "move it away": ("mount", path, "elsewhere", None, MS.MOVE, None),
        "move it back": ("mount", "elsewhere", path, None, MS.MOVE, None),
        "unmount": ("umount2", path, 0),
        "unmount once more": ("umount2", path, 0),
    }
    table = {}
    for name, call in steps.items():
        result, *answers = lab.batch([call, *looks("top/place")])
        table[name] = {"result": result, "seen": names(answers)}
        if name == "mount":
            bind = ("mount", "/proc/self/fd/%d" % descriptor, "bound", None, MS.BIND, None)
            result, *answers = lab.batch([bind, *looks("bound")])
            table["bind of the descriptor while it is covered"] = {"result": result, "seen": names(answers)}
            # It would keep the mount busy.
            lab.close(descriptor)
    return table


def looks(path):
    return [("access", "%s/%s" % (path, name), 0) for name in NAMES]


def names(answers):
    return [name for name, answer in zip(NAMES, answers) if answer == "ok"]
