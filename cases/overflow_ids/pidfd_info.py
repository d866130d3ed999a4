"""A pidfd tells who its process is, in the ids of whoever asks; unmapped ones are the overflow id (6.13).

/proc/PID/status needs a proc, and a number that may be another process's by now. PIDFD_GET_INFO asks a descriptor, which a
daemon can have of the peer of a socket or of a child. It gives real, effective, saved and filesystem ids, each translated to
the caller's user namespace when it is called, as all such answers are. Before 6.13 the request is not known (EINVAL; ENOTTY
before 6.11, where a pidfd knew none).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, user_name

READERS = {"the machine's root": None, "one id": ({0: OWNER}, {0: GROUP}),
           "two ids": ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER}), "no maps": ({}, {})}
# Real, effective and saved ids; the filesystem's follows the effective one.
SEEN = {"root": ((0, 0, 0), (0, 0, 0)), "a setuid program of the other's": ((OWNER, OTHER, OTHER), (GROUP, GROUP, GROUP))}


def since_6_13(reader):
    return {name: {"uid": ids(reader, 0, uids), "gid": ids(reader, 1, gids)} for name, (uids, gids) in SEEN.items()}


def ids(reader, place, numbers):
    real, effective, saved = (shown(READERS[reader], place, one) for one in numbers)
    return [real, effective, saved, effective]


def shown(maps, place, outside):
    if maps is None:
        return user_name(outside)
    return next((user_name(number) for number, real in maps[place].items() if real == outside), OVERFLOW)


def since_6_11(reader):
    return dict.fromkeys(SEEN, "EINVAL")


def before_6_11(reader):
    return dict.fromkeys(SEEN, "ENOTTY")


CASE = Case(
    claim="PIDFD_GET_INFO gives the ids of a pidfd's process in the caller's user namespace, unmapped ones as the overflow id.",
    cites=("pidfd_info() in fs/pidfs.c: from_kuid_munged(current_user_ns(), ...)", "PIDFD_GET_INFO(2const)"),
    params={"reader": tuple(READERS)},
    expect=(
        Rule(since_6_13, since="6.13", cites="cdda1f26e74b (\"pidfd: add ioctl to retrieve pid info\"), 6.13"),
        Rule(since_6_11, since="6.11",
             cites="5b08bd408534 (\"pidfs: allow retrieval of namespace file descriptors\"), 6.11: requests without argument"),
        Rule(before_6_11),
    ),
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "drop setgroups(0, {})": "A group has no part in it.",
        "drop lab.become": "Which ids it has is no matter, but that the user namespace is another one.",
    },
)


def observe(lab, reader):
    overflow = lab.overflow_ids()
    process = lab.fork("seen")
    by = process.fork("reader")
    # While their parent still is root, as the lab's first process is another's child.
    descriptors = {"root": by.pidfd_open("self", 0)}
    (user, effective, saved), (group, _, _) = SEEN["a setuid program of the other's"]
    process.values([("setgroups", 0, []), ("setresgid", group, group, group), ("setresuid", user, effective, saved)])
    descriptors["a setuid program of the other's"] = by.pidfd_open("parent", 0)
    if READERS[reader] is None:
        return {name: look(by, descriptor, overflow) for name, descriptor in descriptors.items()}
    # It looks at itself as it was before: another process must.
    looking = by.fork("in a namespace")
    lab.become(looking, OWNER, GROUP)
    looking.unshare(CLONE.NEWUSER)
    lab.map_ids(looking, *READERS[reader], by=lab)
    return {name: look(looking, descriptor, overflow) for name, descriptor in descriptors.items()}


def look(process, descriptor, overflow):
    seen, error = process.issue("pidfd_info", [descriptor])
    return error or {name: [user_name(one, overflow[name == "gid"]) for one in seen[name]] for name in ("uid", "gid")}
