"""A child made with new namespaces by clone(2) or clone3(2) stands before the same locks as after unshare(2).

Container runtimes do not unshare but clone: the child is in its namespaces from its first moment. The mounts are copied
in the same way. With CLONE_NEWUSER and CLONE_NEWNS together the user namespace is made first, the copy belongs to it,
and everything in it is locked. With CLONE_NEWNS alone nothing is locked, and to make such a child takes CAP_SYS_ADMIN,
which an ordinary user lacks (EPERM). With CLONE_NEWUSER alone the child has no power over the mounts that it still
shares with its maker.

Neither new namespace goes together with CLONE_FS, as a root and a working directory cannot be shared between two of
them (EINVAL, whoever asks).
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MS
from ksem.guest.lab import GROUP, OWNER

NAMESPACES = {"user and mount": CLONE.NEWUSER | CLONE.NEWNS, "mount": CLONE.NEWNS, "user": CLONE.NEWUSER, "none": 0}
MAKERS = ("root", "an ordinary user")
CALLS = ("clone", "clone3")


def expected(namespaces, maker):
    plain = namespaces == "none"
    powerless = namespaces == "user" or (plain and maker != "root")
    locked = namespaces == "user and mount"
    if namespaces == "mount" and maker != "root":
        outcome = {"made": "EPERM", "with CLONE_FS": "EINVAL"}
    else:
        outcome = {
            "made": "ok", "with CLONE_FS": "ok" if plain else "EINVAL",
            "take nosuid off": "EPERM" if locked or powerless else "ok",
            "bind without what covers": "EPERM" if powerless else "EINVAL" if locked else "ok",
            "unmount": "EPERM" if powerless else "EINVAL" if locked else "ok",
            "mount one's own": "EPERM" if powerless else "ok",
        }
    return dict.fromkeys(CALLS, outcome)


CASE = Case(
    claim="A child that clone or clone3 makes with CLONE_NEWUSER|CLONE_NEWNS finds its mounts locked, as after unshare; with"
          " CLONE_NEWNS alone it does not.",
    cites=(
        "clone(2), CLONE_NEWNS, CLONE_NEWUSER and 'ERRORS', EINVAL and EPERM",
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "copy_process() in kernel/fork.c; create_new_namespaces() in kernel/nsproxy.c, the same for clone and unshare",
    ),
    params={"namespaces": tuple(NAMESPACES), "maker": MAKERS},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns", "syscall:clone3"),
)


def observe(lab, namespaces, maker):
    for call in CALLS:
        lab.tmpfs(call)
        lab.mkdir(call + "/cover", 0o755)
        lab.mount("tmpfs", call + "/cover", "tmpfs", MS.NOSUID, "mode=755")
        for name in ("elsewhere", "own"):
            lab.mkdir("%s %s" % (call, name), 0o755)
    parent = lab if maker == "root" else lab.become(lab.fork("user"), OWNER, GROUP)
    flags = NAMESPACES[namespaces]
    seen = {}
    for call in CALLS:
        made, shared = parent.batch([(call, flags), (call, flags | CLONE.FS)])
        seen[call] = {"made": made, "with CLONE_FS": shared}
        if made == "ok":
            seen[call].update(undo(parent.clone("child", call, flags), call))
    return seen


def undo(child, top):
    calls = {
        "take nosuid off": ("mount", None, top + "/cover", None, MS.REMOUNT | MS.BIND, None),
        "bind without what covers": ("mount", top, top + " elsewhere", None, MS.BIND, None),
        "unmount": ("umount2", top + "/cover", 0),
        "mount one's own": ("mount", "tmpfs", top + " own", "tmpfs", 0, "mode=755"),
    }
    return dict(zip(calls, child.batch(calls.values())))
