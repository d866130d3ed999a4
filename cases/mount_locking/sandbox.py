"""A rootless sandbox's own mounts are its inhabitant's to undo, until one more unshare of user and mount namespace.

An ordinary user sets up a sandbox: a user and a mount namespace, a root that is read-only, a store that is read-only
and nosuid, a cover over something private. Whoever runs in it with the capabilities of its root can write to all of
that again: the mounts belong to the same user namespace as the one who made them. There is no lock yet on anything made
after the unshare.

One more unshare of both right before the builder starts locks every mount and every flag, as documented, and the
builder still has what it may need: mounts of its own. A mount namespace alone locks nothing; a user namespace alone
takes all power over mounts away, also the harmless (EPERM).

Dropping the capabilities stops the process itself just as well, and does not lead around the lock: new ones can be had
by unshare, but they come with a mount namespace of the new user namespace, whose mounts are locked by that very call.
It is no substitute, though: a program that root of the namespace executes gets the capabilities back (capabilities(7),
'Capabilities and execution of programs by root').
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, CLONE, MS, OPEN_TREE, O
from ksem.guest.lab import mount_options

NOTHING = {"effective": [], "permitted": [], "inheritable": []}
BOTH = ("unshare", CLONE.NEWUSER | CLONE.NEWNS)
LAST = {
    "nothing": (),
    "user and mount": (BOTH,),
    "mount": (("unshare", CLONE.NEWNS),),
    "user": (("unshare", CLONE.NEWUSER),),
    "capabilities dropped": (("capset", NOTHING),),
    "capabilities dropped; user and mount": (("capset", NOTHING), BOTH),
}
POWER = {"nothing": "full", "mount": "full", "user": "none", "capabilities dropped": "none"}


def expected(last):
    power = POWER.get(last, "locked")
    unmount = {"full": "ok", "none": "EPERM", "locked": "EINVAL"}[power]
    remount = "ok" if power == "full" else "EPERM"
    undone = power == "full"
    return {
        "before": {"root": mount_options(["ro"]), "store": mount_options(["ro", "nosuid"]), "write to the root": "EROFS",
                   "write to the store": "EROFS", "what is private": "ENOENT"},
        "attempts": {
            "remount the root read-write": remount,
            "remount the store read-write": remount,
            "remount the root's filesystem": remount,
            "bind the root's parent elsewhere": unmount,
            "copy the root's parent": unmount,
            "move the cover": unmount,
            "unmount the moved cover": unmount,
            "mount something of one's own": "EPERM" if power == "none" else "ok",
        },
        "after": {"root": mount_options([] if undone else ["ro"]), "store": mount_options([] if undone else ["ro", "nosuid"]),
                  "write to the root": "ok" if undone else "EROFS", "write to the store": "ok" if undone else "EROFS",
                  "what is private": "ok" if undone else "ENOENT"},
    }


CASE = Case(
    claim="The mounts of a rootless sandbox can be undone by its inhabitant, unless one more unshare of a user namespace comes"
          " before it, which with a mount namespace locks them, or it has no capabilities.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "user_namespaces(7), 'Capabilities'",
        "may_mount() in fs/namespace.c: CAP_SYS_ADMIN over the mount namespace's owner",
    ),
    params={"last": tuple(LAST)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("userns", "syscall:open_tree"),
    survivors={
        "drop lab.enter_sandbox": "What is locked is so by the last unshare, whoever makes it.",
    },
)


def observe(lab, last):
    lab.enter_sandbox()
    build(lab)
    lab.values(LAST[last])
    return {"before": look(lab), "attempts": undo(lab), "after": look(lab)}


def build(lab):
    """The root lies on a directory of its own; the same files are beneath it, and in the store."""
    for name in ("files", "files/store", "files/private", "files/private/secret", "parent", "parent/root",
                 "elsewhere", "moved", "own"):
        lab.mkdir(name, 0o755)
    lab.file("files/file")
    lab.file("files/store/file")
    lab.mount("files", "parent/root", None, MS.BIND, None)
    lab.mount("files/store", "parent/root/store", None, MS.BIND, None)
    lab.mount("tmpfs", "parent/root/private", "tmpfs", 0, "mode=755")
    lab.mount(None, "parent/root", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None)
    lab.mount(None, "parent/root/store", None, MS.REMOUNT | MS.BIND | MS.RDONLY | MS.NOSUID, None)


def undo(lab):
    calls = {
        "remount the root read-write": ("mount", None, "parent/root", None, MS.REMOUNT | MS.BIND, None),
        "remount the store read-write": ("mount", None, "parent/root/store", None, MS.REMOUNT | MS.BIND, None),
        "remount the root's filesystem": ("mount", None, ".", None, MS.REMOUNT, "mode=755"),
        "bind the root's parent elsewhere": ("mount", "parent", "elsewhere", None, MS.BIND, None),
        "copy the root's parent": ("open_tree", AT_FDCWD, "parent", OPEN_TREE.CLONE),
        "move the cover": ("mount", "parent/root/private", "moved", None, MS.MOVE, None),
        "unmount the moved cover": ("umount2", "moved", 0),
        "mount something of one's own": ("mount", "tmpfs", "own", "tmpfs", 0, "mode=755"),
    }
    return dict(zip(calls, lab.batch(calls.values())))


def look(lab):
    return {"root": sorted(lab.mountinfo("parent/root")["flags"]), "store": sorted(lab.mountinfo("parent/root/store")["flags"]),
            "write to the root": lab.try_open("parent/root/file", O.WRONLY),
            "write to the store": lab.try_open("parent/root/store/file", O.WRONLY),
            "what is private": lab.attempt.access("parent/root/private/secret", 0)}
