"""Locks bind whoever is in the namespace: joining it with setns(2) brings no power over its mounts, for root neither.

A locked mount is marked, and the mark is asked about without asking who the caller is. So the machine's root, which
joins the sandbox's mount namespace and keeps all its capabilities, gets the same EINVAL from umount(2) and from a bind
that would look beneath, and the same EPERM from a remount with MS_BIND, as the sandbox's inhabitant. What root keeps is
what goes by the filesystem's owner: a remount of the filesystem itself (MS_REMOUNT without MS_BIND) succeeds for it,
and for nobody who only has the capabilities of the sandbox.

To join, one needs CAP_SYS_ADMIN over the user namespace that owns the mount namespace, and CAP_SYS_ADMIN and
CAP_SYS_CHROOT in one's own. The sandbox's maker, an ordinary user, has the first outside of it and gets the second by
joining the user namespace first. Any other user has neither. Having joined the user namespace alone, a process stands
before its old mount namespace, over which it has no power (EPERM).
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, MS
from ksem.guest.lab import GROUP, OTHER, OWNER

KINDS = {"mnt": CLONE.NEWNS, "user": CLONE.NEWUSER}
JOINED = {"mount": ("mnt",), "user": ("user",), "user, then mount": ("user", "mnt")}
USERS = {"the machine's root": None, "the sandbox's maker": OWNER, "another user": OTHER}


def expected(by, joined):
    # Joining asks for power over the target; only root and the maker have it, and only root has some of its own.
    join = dict.fromkeys(JOINED[joined], "ok")
    if by == "another user":
        # Not even the descriptors of the namespaces can be opened.
        join = dict.fromkeys(JOINED[joined], "EACCES")
    elif by == "the sandbox's maker" and joined == "mount":
        join = {"mnt": "EPERM"}
    inside = join.get("mnt") == "ok"
    powerless = {"unmount": "EPERM", "take nosuid off": "EPERM", "bind without what covers": "EPERM",
                 "remount the filesystem": "EPERM", "mount and unmount one's own": "EPERM"}
    bound = {"unmount": "EINVAL", "take nosuid off": "EPERM", "bind without what covers": "EINVAL",
             "remount the filesystem": "ok" if by == "the machine's root" and joined == "mount" else "EPERM",
             "mount and unmount one's own": "ok"}
    free = dict.fromkeys(powerless, "ok")
    if by == "the machine's root" and not inside and join.get("user") != "ok":
        return {"join": join, "attempts": free}
    return {"join": join, "attempts": bound if inside else powerless, "mounts inside": ["tree", "tree/cover"],
            "flags inside": ["nosuid", "relatime", "rw"]}


CASE = Case(
    claim="A process that joins a sandbox's mount namespace with setns is bound by its locks, the machine's root included;"
          " only the filesystem itself can root remount.",
    cites=(
        "setns(2), 'DESCRIPTION': user namespaces and mount namespaces",
        "mount_namespaces(7), 'Restrictions on mount namespaces'",
        "can_umount(), can_change_locked_flags() and has_locked_children() in fs/namespace.c: they ask for no capability",
        "mntns_install() in fs/namespace.c; do_remount(): CAP_SYS_ADMIN over the filesystem's user namespace",
    ),
    params={"by": tuple(USERS), "joined": tuple(JOINED)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="mount_namespaces(7) speaks of what the less privileged namespace may not do; that its mounts are locked"
               " for a more privileged process that enters it as well is not said.",
    survivors={
        'drop mkdir("tree/cover/secret"*': "What is covered nobody gets to see.",
    },
)


def observe(lab, by, joined):
    lab.tmpfs("tree")
    lab.mkdir("tree/cover", 0o755)
    lab.mkdir("tree/cover/secret", 0o755)
    lab.mount("tmpfs", "tree/cover", "tmpfs", MS.NOSUID, "mode=755")
    for name in ("elsewhere", "own"):
        lab.mkdir(name, 0o755)
    inside = lab.mapped("inside", {0: OWNER}, {0: GROUP}, apart=True)
    inside.unshare(CLONE.NEWNS)
    visitor = lab.fork("visitor")
    if USERS[by] is not None:
        lab.become(visitor, USERS[by], GROUP)
    observation = {"join": join(visitor, inside, JOINED[joined])}
    observation["attempts"] = undo(visitor)
    observation["mounts inside"] = [path for path in ("tree", "tree/cover") if inside.attempt.mountinfo(path) == "ok"]
    observation["flags inside"] = sorted(inside.mountinfo("tree/cover")["flags"])
    return observation


def join(visitor, inside, kinds):
    """Opened first, and then joined: after the first setns the second path may mean something else."""
    opened = {kind: visitor.issue("open", ["/proc/%d/ns/%s" % (inside.pid, kind), 0, 0]) for kind in kinds}
    outcome = {kind: error or visitor.attempt.setns(descriptor, KINDS[kind])
               for kind, (descriptor, error) in opened.items()}
    if outcome.get("mnt") == "ok":
        # It stands at the root of the namespace now.
        visitor.chdir("/tmp")
    return outcome


def undo(visitor):
    calls = {
        "take nosuid off": ("mount", None, "tree/cover", None, MS.REMOUNT | MS.BIND, None),
        "bind without what covers": ("mount", "tree", "elsewhere", None, MS.BIND, None),
        "remount the filesystem": ("mount", None, "tree/cover", None, MS.REMOUNT | MS.NOSUID, "mode=755"),
        "mount and unmount one's own": ("mount", "tmpfs", "own", "tmpfs", 0, "mode=755"),
        "unmount": ("umount2", "tree/cover", 0),
    }
    outcome = dict(zip(calls, visitor.batch(calls.values())))
    if outcome["mount and unmount one's own"] == "ok":
        outcome["mount and unmount one's own"] = visitor.attempt.umount2("own", 0)
    return outcome
