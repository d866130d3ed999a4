"""listns(2) lists namespaces by their ids, also those that no process is in (6.19).

Before, the namespaces of a machine had to be gathered from /proc/PID/ns, which misses all that live on in a descriptor,
a bind mount or as the owner of another. The call takes kinds to list, and an owner: LISTNS_CURRENT_USER
means the caller's user namespace. What a caller is shown is limited: its own namespaces, and those owned by a user namespace
that it has CAP_SYS_ADMIN in.

The case makes one user namespace that owns two mount namespaces, one of them only kept by a descriptor, and a uts
namespace. An unknown flag is EINVAL; a kind that does not exist is, too.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER

CURRENT_USER = 0xFFFFFFFFFFFFFFFF
KINDS = {"mount": CLONE.NEWNS, "uts": CLONE.NEWUTS, "network": CLONE.NEWNET, "mount and uts": CLONE.NEWNS | CLONE.NEWUTS}
WORKS = {
    "owned": {"mount": 2, "uts": 1, "network": 0, "mount and uts": 3},
    "without the descriptor": 1,
    "unknown flag": "EINVAL",
}
ABSENT = {
    "owned": dict.fromkeys(KINDS, "ENOSYS"),
    "without the descriptor": "ENOSYS",
    "unknown flag": "ENOSYS",
}

CASE = Case(
    claim="listns lists the namespaces that a user namespace owns, whether or not a process is in them (6.19).",
    cites=("do_listns() and do_listns_userns() in kernel/nstree.c", "include/uapi/linux/nsfs.h, struct ns_id_req"),
    expect=(
        Rule(WORKS, since="6.19", cites="76b6f5dfb3fd (\"nstree: add listns()\"), 6.19"),
        Rule(ABSENT),
    ),
    needs=("root", "userns"),
)


def observe(lab):
    process = lab.mapped("process", {0: OWNER}, {0: GROUP})
    process.unshare(CLONE.NEWNS | CLONE.NEWUTS)
    held = process.open("/proc/self/ns/mnt", 0, 0)
    process.unshare(CLONE.NEWNS)
    seen = {
        "owned": {name: owned(process, kind) for name, kind in KINDS.items()},
        "unknown flag": process.attempt.listns({"size": 32, "ns_type": CLONE.NEWNS}, 1 << 30),
    }
    process.close(held)
    seen["without the descriptor"] = owned(process, CLONE.NEWNS)
    return seen


def owned(process, kind):
    value, error = process.issue("listns", [{"size": 32, "ns_type": kind, "user_ns_id": CURRENT_USER}, 0])
    return error or value
