"""User namespaces nest 33 deep, and only where the maker has ids in the one above.

Each user namespace counts its level, the machine's own being 0. Below level 33 no further one is made: ENOSPC, as for a
limit on their number (it was EUSERS before 4.9, and in user_namespaces(7) still is, which also says 32 levels). It does not
matter whether root made them or an ordinary user. A container in a container in a builder uses up three or four; a program
that unshares in a loop meets the end.

A process whose user or group has no mapping cannot make one at all (EPERM): nobody could be its owner. So between two
levels both maps must be written.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER

LEVELS = 33
MAKERS = {"root": (0, 0), "an ordinary user": (OWNER, GROUP)}
MAPS = {"both": ("uid_map", "gid_map"), "users alone": ("uid_map",), "groups alone": ("gid_map",), "none": ()}


def expected(maker, mapped):
    if mapped == "both":
        return {"levels": LEVELS, "one more": "ENOSPC", "again": "ENOSPC"}
    return {"levels": 1, "one more": "EPERM", "again": "EPERM"}


CASE = Case(
    claim="There may be 33 user namespaces below each other, the next is ENOSPC; below one without maps there is none (EPERM).",
    cites=(
        "user_namespaces(7), 'Nested namespaces'",
        "unshare(2), 'ERRORS', ENOSPC (EUSERS before 4.9) and EPERM",
        "create_user_ns() in kernel/user_namespace.c: parent_ns->level > 32",
    ),
    params={"maker": tuple(MAKERS), "mapped": tuple(MAPS)},
    where=lambda maker, mapped: maker == "root" or mapped in ("both", "none"),
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="user_namespaces(7) gives EUSERS and 32 nested levels; it is ENOSPC, and there are 33 below the initial one.",
)


def observe(lab, maker, mapped):
    uid, gid = MAKERS[maker]
    if uid:
        lab.become(lab, uid, gid)
    levels, result = 0, "ok"
    # Some more than there can be, so that a kernel with another limit shows it.
    while levels < LEVELS + 4:
        result = lab.attempt.unshare(CLONE.NEWUSER)
        if result != "ok":
            break
        levels += 1
        write_maps(lab, MAPS[mapped], uid if levels == 1 else 0, gid if levels == 1 else 0)
    return {"levels": levels, "one more": result, "again": lab.attempt.unshare(CLONE.NEWUSER)}


def write_maps(process, files, uid, gid):
    process.write_file("/proc/self/setgroups", "deny")
    for file in files:
        process.write_file("/proc/self/" + file, "0 %d 1\n" % (uid if file == "uid_map" else gid))
