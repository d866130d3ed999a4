"""Who is root in the sandbox takes the read-only root off again; one more unshare of both namespaces forbids it.

The flags that the recipe sets are no stronger than the one who set them: a process with CAP_SYS_ADMIN over the
mount namespace remounts / without MS_RDONLY, or unmounts the bind and stands on the writable directory below. A builder
that has no capabilities cannot (EPERM). But a builder that may make user namespaces has capabilities again, in a copy
of the mounts; what then counts is that the copy belongs to another user namespace, where inherited flags and mounts are
locked: the remount is EPERM, the unmount EINVAL. The daemon can do that unshare itself, right before it runs the
builder: then no capability that the builder gets hold of undoes the recipe, and that is documented.

Locked does not mean covered: a new mount on top of anything is allowed, and takes nothing away from below.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MNT, MS
from ksem.guest.lab import GROUP, OWNER

CALLERS = ("root of the sandbox", "no capabilities", "no capabilities, after one more unshare",
           "root of the sandbox, after one more unshare")
RECIPE = [
    ("mount", "item", "root/store/item", None, MS.BIND, None),
    ("mount", None, "root/store/item", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None),
    ("mount", "root/store", "root/store", None, MS.BIND | MS.REC, None),
    ("mount", "root", "root", None, MS.BIND | MS.REC, None),
    ("mount", None, "root", None, MS.REMOUNT | MS.BIND | MS.RDONLY, None),
]


def expected(caller):
    if caller == "no capabilities":
        remount = unmount = new = "EPERM"
    elif "unshare" in caller:
        remount, unmount, new = "EPERM", "EINVAL", "ok"
    else:
        remount = unmount = new = "ok"
    undone = remount == "ok"
    return {
        "before": {"/": "EROFS", "item": "EROFS"},
        "remount a bind of /": remount if new == "ok" else new,
        "mount on a directory": new,
        "take that off": new,
        "remount item": remount, "unmount item": unmount,
        "move item": unmount,
        "remount /": remount, "unmount /": unmount,
        # Below the bind of / the item is mounted once more, read-only since before there was a bind of /.
        "after": {"/": "ok" if undone else "EROFS", "item": "EROFS"},
        "through the bind of /": "ok" if undone else "EROFS" if new == "ok" else "ENOENT",
    }


CASE = Case(
    claim="A read-only root can be remounted writable by who has CAP_SYS_ADMIN over the mount namespace; after one more"
          " unshare of user and mount namespace neither flags nor mounts can be undone.",
    cites=(
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "mount(2), 'ERRORS', EPERM; umount(2), 'ERRORS', EINVAL",
        "can_change_locked_flags() and can_umount() in fs/namespace.c",
    ),
    params={"caller": CALLERS},
    expect=expected,
    needs=("root", "userns"),
    options=("CONFIG_USER_NS",),
    survivors={
        "drop chown(*": "Whose that is shows nothing: only what is written to need be the caller's.",
        'drop mount("root/store", "root/store"*': "That the store is a mount keeps it writable, which is another case's"
            " matter.",
    },
)


def observe(lab, caller):
    for path in ("item", "elsewhere", "root", "root/store", "root/store/item", "root/etc"):
        lab.mkdir(path, 0o755)
        lab.chown(path, OWNER, GROUP)
    lab.become(lab, OWNER, GROUP)
    lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
    lab.map_ids(lab, {0: OWNER}, {0: GROUP})
    lab.values(RECIPE)
    if caller.startswith("no capabilities"):
        lab.capset({"effective": [], "permitted": [], "inheritable": []})
    if "unshare" in caller:
        # Gives capabilities to whoever makes it: they reach the copy of the mounts alone.
        lab.unshare(CLONE.NEWUSER | CLONE.NEWNS)
    before = written(lab, "before")
    calls = {
        "bind /": ("mount", "root", "elsewhere", None, MS.BIND | MS.REC, None),
        "remount a bind of /": ("mount", None, "elsewhere", None, MS.REMOUNT | MS.BIND, None),
        "through the bind of /": ("mkdir", "elsewhere/etc/through the bind", 0o755),
        "mount on a directory": ("mount", "new", "root/etc", "tmpfs", 0, "mode=755"),
        "take that off": ("umount2", "root/etc", 0),
        "move item": ("mount", "root/store/item", "root/etc", None, MS.MOVE, None),
        "move it back": ("mount", "root/etc", "root/store/item", None, MS.MOVE, None),
        "remount item": ("mount", None, "root/store/item", None, MS.REMOUNT | MS.BIND, None),
        "unmount item": ("umount2", "root/store/item", MNT.DETACH),
        "remount /": ("mount", None, "root", None, MS.REMOUNT | MS.BIND, None),
        "unmount /": ("umount2", "root", MNT.DETACH),
    }
    found = dict(zip(calls, lab.batch(calls.values())))
    del found["bind /"], found["move it back"]
    return dict(found, before=before, after=written(lab, "after"))


def written(lab, name):
    return dict(zip(("/", "item"), lab.batch([("mkdir", "root/" + name, 0o755), ("mkdir", "root/store/item/" + name, 0o755)])))
