"""Whoever joins a user namespace has every capability there; its maker's user may, from the namespace just above, and root.

setns(2) into a user namespace asks for CAP_SYS_ADMIN over it. A process has that if its effective user made the namespace and
it stands in the parent of that namespace, or holds it in any namespace above. So all programs of an ordinary user can enter all
of that user's sandboxes, and whatever was made in them, and are almighty inside: a user namespace protects the user
from what runs in it, never the other way around. A real user alone is not enough, the effective one is what counts.

Who made a namespace two levels down can do nothing with it from the top: there the maker of the one between decides. For
everybody else it is EPERM, also with a descriptor in hand; without one, opening /proc/PID/ns/user is EACCES already. A process
cannot rejoin the namespace it is in (EINVAL), which would give back capabilities it gave up, nor go up to the parent.

Root, who joins without being mapped, has all capabilities and is the overflow user, until it takes an id that is mapped.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, PR
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, overflow_ids, user_name

# Real and effective user of who joins.
JOINERS = {
    "root": (0, 0), "its user": (OWNER, OWNER), "another user, who is mapped": (OTHER, OTHER),
    "its user by effective id": (OTHER, OWNER), "its user by real id": (OWNER, OTHER),
}
TARGETS = ("first", "made inside by its user", "made inside by another user")
# Here 5.10 lets the maker's own user open /proc/PID/ns/user from the top, where later kernels say EACCES. Why is not known, so
# it is not observed; setns is EPERM either way.
UNOPENED = "made inside by another user"
MAPS = ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})


def expected(joiner, target):
    if target == "itself":
        return {"setns": "EINVAL", "uid": ["root", "root"], "capabilities": "all"}
    if target == "its parent":
        return {"setns": "EPERM", "uid": ["root", "root"], "capabilities": "all"}
    real, effective = JOINERS[joiner]
    joins = effective in (0, OWNER)
    # Opening is ptrace's question: by the filesystem id, and by capabilities of the joiner over the namespace.
    opened = {} if target == UNOPENED else {"open": "ok" if joins else "EACCES"}
    if not joins:
        return dict(opened, setns="EPERM", uid=[user_name(real), user_name(effective)], capabilities="none")
    return dict(opened, setns="ok", uid=[shown(target, real), shown(target, effective)], capabilities="all")


def shown(target, uid):
    """The first namespace calls OWNER 0 and OTHER 1; one below it maps whoever made it, as 0."""
    if target == "first":
        return {OWNER: "root", OTHER: "1"}.get(uid, OVERFLOW)
    return "root" if uid == (OTHER if "another" in target else OWNER) else OVERFLOW


CASE = Case(
    claim="setns into a user namespace gives all capabilities there to root and to the user who made it, from its parent; for"
          " others it is EPERM.",
    cites=(
        "user_namespaces(7), 'Capabilities'",
        "setns(2), 'DESCRIPTION', User namespaces, and 'ERRORS', EINVAL and EPERM",
        "userns_install() in kernel/user_namespace.c, cap_capable() in security/commoncap.c",
    ),
    params={"joiner": (*JOINERS, "its first process"), "target": (*TARGETS, "itself", "its parent")},
    where=lambda joiner, target: (joiner == "its first process") == (target in ("itself", "its parent")),
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, joiner, target):
    own = lab.open("/proc/self/ns/user", 0, 0)
    process = lab.mapped("inside", *MAPS, apart=True)
    if target not in TARGETS:
        descriptor = own if target == "its parent" else process.open("/proc/self/ns/user", 0, 0)
        return joined(process, [("setns", descriptor, CLONE.NEWUSER)])
    if target != "first":
        make_inside(process, 1 if "another" in target else 0)
    path = "/proc/%d/ns/user" % process.pid
    descriptor = lab.open(path, 0, 0)
    real, effective = JOINERS[joiner]
    by = lab.fork("joiner")
    by.values([("setgroups", 0, []), ("setresgid", GROUP, GROUP, GROUP), ("setresuid", real, effective, effective)])
    opened = [] if target == UNOPENED else [("try_open", path, 0)]
    return joined(by, [*opened, ("setns", descriptor, CLONE.NEWUSER)])


def joined(process, calls):
    *opened, setns, now = process.batch([*calls, ("credentials", "/proc/self")])
    overflow = overflow_ids()[0]
    return dict(zip(("open",), opened), setns=setns, uid=[user_name(uid, overflow) for uid in now["uid"][:2]],
                capabilities=now["capabilities"])


def make_inside(process, number):
    """A namespace made by that id of the one it is in, which it maps as 0."""
    process.values([("setresgid", number, number, number), ("setresuid", number, number, number),
                    ("prctl", PR.SET_DUMPABLE, 1), ("unshare", CLONE.NEWUSER),
                    ("write_file", "/proc/self/setgroups", "deny"), ("write_file", "/proc/self/uid_map", "0 %d 1\n" % number),
                    ("write_file", "/proc/self/gid_map", "0 %d 1\n" % number)])
