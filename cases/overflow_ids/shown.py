"""An id without a mapping is shown as the overflow id, for users and groups, of processes and of files.

A process that enters a user namespace has no id there until the maps are written: getuid(2) and its family return
the overflow uid and gid, 65534 unless /proc/sys/kernel/overflowuid and overflowgid say otherwise. So they do after
that, for users or groups that the map leaves out. Files show it in the same way: with one id mapped, a directory
that belongs to root is seen as owned by the overflow user, and so is everybody else's. From outside nothing has
changed.

The number is only shown. It is no name for what it hides: to become that user or group is EINVAL, as for any number
that is not mapped. Where a map gives the number to somebody, the two cannot be told apart by looking.

With two ids mapped, the first process can become the second.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AT_FDCWD, CLONE
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, numbers, user_name

# What the namespace calls users and groups.
MAPS = {
    "nothing": ({}, {}),
    "one user, no group": ({0: OWNER}, {}),
    "one id, as root": ({0: OWNER}, {0: GROUP}),
    "one id, as itself": ({OWNER: OWNER}, {GROUP: GROUP}),
    "two ids": ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER}),
    "only somebody else": ({0: OTHER}, {0: OTHER}),
    "only somebody else, as the overflow id": ({OVERFLOW: OTHER}, {OVERFLOW: OTHER}),
}
FILES = {"own": (OWNER, GROUP), "other's": (OTHER, OTHER), "own, other group": (OWNER, OTHER), "root's": (0, 0)}
CALLS = ("getuid", "geteuid", "getgid", "getegid")
ASKED = [(call,) for call in CALLS]
WANTED = {"root": 0, "1": 1, "the overflow id": OVERFLOW}


def expected(mapped):
    uids, gids = MAPS[mapped]
    return {
        "outside": ids(user_name(OWNER), user_name(GROUP)),
        "before": ids(OVERFLOW, OVERFLOW),
        "after": ids(shown(uids, OWNER), shown(gids, GROUP)),
        "files": {name: "%s:%s" % (shown(uids, uid), shown(gids, gid)) for name, (uid, gid) in FILES.items()},
        "files from outside": {name: "%s:%s" % (user_name(uid), user_name(gid)) for name, (uid, gid) in FILES.items()},
        "become group": {name: become(gids, number) for name, number in WANTED.items()},
        "become user": {name: become(uids, number) for name, number in WANTED.items()},
    }


def ids(user, group):
    return {"getuid": user, "geteuid": user, "getgid": group, "getegid": group}


def shown(mapping, outside):
    """The name that the namespace shows for an id of the machine."""
    inside = [number for number, real in mapping.items() if real == outside]
    if not inside:
        return OVERFLOW
    return OVERFLOW if inside[0] == OVERFLOW else user_name(inside[0])


def become(mapping, number):
    return "ok" if number in mapping else "EINVAL"


CASE = Case(
    claim="Ids without a mapping in the caller's user namespace are shown as the overflow uid and gid, and are no"
          " valid argument.",
    cites=(
        "user_namespaces(7), 'Unmapped user and group IDs'",
        "user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map'",
        "setresuid(2), 'ERRORS', EINVAL",
        "from_kuid_munged() and make_kuid() in kernel/user_namespace.c",
    ),
    params={"mapped": tuple(MAPS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, mapped):
    overflow = lab.overflow_ids()
    lab.tmpfs("files")
    for name, (uid, gid) in FILES.items():
        lab.file("files/" + name, 0o644, uid, gid)
    process = lab.become(lab.fork("inside"), OWNER, GROUP)
    outside, before = two_looks_at_ids(process, overflow)
    uids, gids = MAPS[mapped]
    lab.map_ids(process, numbers(uids, overflow[0]), numbers(gids, overflow[1]), by=lab)
    return {
        "outside": outside,
        "before": before,
        "after": named(process.values(ASKED), overflow),
        "files": owners(process, overflow),
        "files from outside": owners(lab, overflow),
        # The real id only: a process whose effective id changed would lose the capabilities for the next attempt.
        "become group": become_each(process, "setresgid", overflow[1]),
        "become user": become_each(process, "setresuid", overflow[0]),
    }


def two_looks_at_ids(process, overflow):
    """Outside of the user namespace, and inside while nothing is mapped."""
    seen = process.values([*ASKED, ("unshare", CLONE.NEWUSER), *ASKED])
    return named(seen[:len(ASKED)], overflow), named(seen[-len(ASKED):], overflow)


def named(values, overflow):
    return {call: user_name(value, overflow["gid" in call]) for call, value in zip(CALLS, values)}


def owners(process, overflow):
    seen = process.values(("statx", AT_FDCWD, "files/" + name, 0, 0x7FF) for name in FILES)
    return {name: "%s:%s" % (user_name(now["uid"], overflow[0]), user_name(now["gid"], overflow[1]))
            for name, now in zip(FILES, seen)}


def become_each(process, call, overflow):
    numbers_wanted = [overflow if number == OVERFLOW else number for number in WANTED.values()]
    return dict(zip(WANTED, process.batch((call, number, -1, -1) for number in numbers_wanted)))
