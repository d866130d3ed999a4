"""Whoever joins a user namespace has every capability there; its maker's user may, from the namespace just above, and root.

setns(2) into a user namespace asks for CAP_SYS_ADMIN over it. A process has that if its effective user made the namespace and
it stands in the parent of that namespace, or holds it in any namespace above. So all programs of an ordinary user can enter all
of that user's sandboxes, and whatever was made in them, and are almighty inside: a user namespace protects the user
from what runs in it, never the other way around. A real user alone is not enough, the effective one is what counts.

Who made a namespace two levels down can do nothing with it from the top: there the maker of the one between decides. For
everybody else it is EPERM, also with a descriptor in hand; without one, opening /proc/PID/ns/user is EACCES already. A process
cannot rejoin the namespace it is in (EINVAL), which would give back capabilities it gave up, nor go up to the parent.

5.10 has it otherwise since its 261st update: a fix for races took the errno away that the link's refusal needs, so that a link
which may not be followed ends, without an error, at the directory it lies in. Whoever may read /proc/PID/ns, the user that
the process has, gets a descriptor of that. It is none of a namespace, and opens no way into one.

Root, who joins without being mapped, has all capabilities and is the overflow user, until it takes an id that is mapped.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AT, CLONE, PR
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, user_name

# Real and effective user of who joins.
JOINERS = {
    "root": (0, 0), "its user": (OWNER, OWNER), "another user, who is mapped": (OTHER, OTHER),
    "its user by effective id": (OTHER, OWNER), "its user by real id": (OWNER, OTHER),
}
TARGETS = ("first", "made inside by its user", "made inside by another user")
MAPS = ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})


def ends_at_the_directory(joiner, target):
    """A link that may not be followed leads to /proc/PID/ns, which the process's own user may read."""
    table = expected(joiner, target)
    own = joiner in JOINERS and "another" in target and JOINERS[joiner][1] == OTHER
    return dict(table, open="ok: directory") if own else table


def expected(joiner, target):
    if target == "itself":
        return {"setns": "EINVAL", "uid": ["root", "root"], "capabilities": "all"}
    if target == "its parent":
        return {"setns": "EPERM", "uid": ["root", "root"], "capabilities": "all"}
    real, effective = JOINERS[joiner]
    joins = effective in (0, OWNER)
    # Opening is ptrace's question: by the filesystem id, and by capabilities of the joiner over the namespace.
    opened = {"open": "ok: file" if joins else "EACCES"}
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
    expect=(
        Rule(expected, since="5.11", cites="proc_ns_get_link() in fs/proc/namespaces.c"),
        Rule(ends_at_the_directory, since="5.10.261",
             cites="6650527444da (\"proc: protect ptrace_may_access() with exec_update_lock (part 1)\") in 5.10.261: what"
                   " down_read_killable() returns overwrites the error of proc_ns_get_link()"),
        Rule(expected),
    ),
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "drop setgroups(0, {})": "A group has no part in it.",
        "drop setresgid(*": "A group has no part in it.",
        'drop write_file("/proc/self/gid_map"*': "A group has no part in it.",
    },
)


def observe(lab, joiner, target):
    own = lab.open("/proc/self/ns/user", 0, 0)
    process = lab.mapped("inside", *MAPS, apart=True)
    if target not in TARGETS:
        descriptor = own if target == "its parent" else process.open("/proc/self/ns/user", 0, 0)
        return joined(lab, process, descriptor)
    if target != "first":
        make_inside(process, 1 if "another" in target else 0)
    path = "/proc/%d/ns/user" % process.pid
    descriptor = lab.open(path, 0, 0)
    real, effective = JOINERS[joiner]
    by = lab.fork("joiner")
    by.values([("setgroups", 0, []), ("setresgid", GROUP, GROUP, GROUP), ("setresuid", real, effective, effective)])
    opened, error = by.issue("open", [path, 0, 0])
    found = error or "ok: " + by.statx(opened, "", AT.EMPTY_PATH, 0x7FF)["type"]
    return dict(joined(lab, by, descriptor), open=found)


def joined(lab, process, descriptor):
    setns, now = process.batch([("setns", descriptor, CLONE.NEWUSER), ("credentials", "/proc/self")])
    overflow = lab.overflow_ids()[0]
    uids = [user_name(uid, overflow) for uid in now["uid"][:2]]
    return {"setns": setns, "uid": uids, "capabilities": now["capabilities"]}


def make_inside(process, number):
    """A namespace made by that id of the one it is in, which it maps as 0."""
    process.values([("setresgid", number, number, number), ("setresuid", number, number, number),
                    ("prctl", PR.SET_DUMPABLE, 1), ("unshare", CLONE.NEWUSER),
                    ("write_file", "/proc/self/setgroups", "deny"), ("write_file", "/proc/self/uid_map", "0 %d 1\n" % number),
                    ("write_file", "/proc/self/gid_map", "0 %d 1\n" % number)])
