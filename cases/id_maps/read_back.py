"""The same map reads differently in each user namespace: its right side is in the ids of whoever opened the file.

A line of /proc/PID/uid_map gives an id inside, the id that it is outside, and how many follow. "Outside" is the reader's user
namespace; who reads from inside the very namespace sees its parent's ids instead. An id that the reader has no number for
is 4294967295, not the overflow id, and the line stays. So a program that wants to know which ids of the machine
it has cannot learn that from its own map when it is nested: it sees no further than its parent.

The file is opened by one and may be read by another: it shows what the opener would see.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

NO_ID = 2 ** 32 - 1
# The namespace whose map is read, and what each reader calls the two users in it.
MAP = {0: OWNER, 1: OTHER}
READERS = {
    "its parent": {OWNER: OWNER, OTHER: OTHER},
    "itself": {OWNER: OWNER, OTHER: OTHER},
    "a sibling with one of its users": {OTHER: 5},
    "a sibling with neither": {},
    "a child with its root alone": {OWNER: 7},
    "a child without a map": {},
    "a sibling, opened in the parent": {OWNER: OWNER, OTHER: OTHER},
}
SIBLINGS = {"a sibling with one of its users": {5: OTHER}, "a sibling with neither": {5: GROUP},
            "a sibling, opened in the parent": {5: GROUP}}


def expected(reader):
    return {"map": [[inside, user_name(READERS[reader].get(outside, NO_ID)), 1] for inside, outside in MAP.items()]}


CASE = Case(
    claim="The right side of a map is in the ids of whoever opened it, the parent's for the namespace itself, and 4294967295"
          " where there is none.",
    cites=(
        "user_namespaces(7), 'User and group ID mappings: uid_map and gid_map'",
        "user_namespaces(7), 'Unmapped user and group IDs'",
        "uid_m_show() in kernel/user_namespace.c",
    ),
    params={"reader": tuple(READERS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, reader):
    process = lab.mapped("inside", MAP, {0: GROUP})
    path = "/proc/%d/uid_map" % process.pid
    by, descriptor = lab, None
    if "opened" in reader:
        descriptor = lab.open(path, 0, 0)
    if reader in SIBLINGS:
        by = lab.mapped("sibling", SIBLINGS[reader], {0: GROUP})
    elif "child" in reader:
        by = process.fork("child")
        by.unshare(CLONE.NEWUSER)
        if "root" in reader:
            by.write_file("/proc/self/uid_map", "7 0 1\n")
    elif reader == "itself":
        by = process
    text = by.read_file(path) if descriptor is None else by.read(descriptor, 4096)
    rows = [[int(word) for word in line.split()] for line in text.splitlines()]
    return {"map": [[inside, user_name(outside), count] for inside, outside, count in rows]}
