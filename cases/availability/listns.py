"""listns(2) lists namespaces by their ids; root of a user namespace is shown only those that it is in itself (6.19).

Before, the namespaces of a machine had to be gathered from /proc/PID/ns, which misses all that live on in a descriptor,
a bind mount or as the owner of another. The call takes kinds to list, and an owner: LISTNS_CURRENT_USER
means the caller's user namespace. Who sees all is who has CAP_SYS_ADMIN over the first pid namespace,
and is in it. At first the owner of a namespace was shown it too; that was taken back within a month, as ids of namespaces
can be turned into descriptors of them.

The case makes one user namespace that owns two mount namespaces, one of them only kept by a descriptor, and a uts
namespace. The first of the two is not listed, though root there could enter it.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER

CURRENT_USER = 0xFFFFFFFFFFFFFFFF
KINDS = {"mount": CLONE.NEWNS, "uts": CLONE.NEWUTS, "network": CLONE.NEWNET, "mount and uts": CLONE.NEWNS | CLONE.NEWUTS}
WORKS = {
    "owned": {"mount": 1, "uts": 1, "network": 0, "mount and uts": 2},
    "entered by its descriptor": "ok",
    "owned, seen from there": 1,
    "unknown flag": "EINVAL",
}
ALL_OWNED = {"mount": 2, "uts": 1, "network": 0, "mount and uts": 3}
ABSENT = {
    "owned": dict.fromkeys(KINDS, "ENOSYS"),
    "entered by its descriptor": "ok",
    "owned, seen from there": "ENOSYS",
    "unknown flag": "ENOSYS",
}

CASE = Case(
    claim="listns lists namespaces by owner and kind (6.19); root of a user namespace sees those that it is in, and no others.",
    cites=("may_see_all_namespaces() in kernel/nscommon.c, may_list_ns() in kernel/nstree.c",),
    expect=(
        Rule(WORKS, since="7.0", backports=("6.19.9",),
             cites="8d76afe84fa2 (\"nstree: tighten permission checks for listing\"), 7.0"),
        Rule(dict(WORKS, owned=ALL_OWNED, **{"owned, seen from there": 2}), since="6.19",
             cites="76b6f5dfb3fd (\"nstree: add listns()\"), 6.19"),
        Rule(ABSENT),
    ),
    needs=("root", "userns"),
    survivors={
        "drop unshare(CLONE_NEWNS)": "The namespace that is left is not listed, which is the claim; on 6.19 it was, and this"
            " is noticed.",
    },
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
    seen["entered by its descriptor"] = process.attempt.setns(held, CLONE.NEWNS)
    seen["owned, seen from there"] = owned(process, CLONE.NEWNS)
    return seen


def owned(process, kind):
    value, error = process.issue("listns", [{"size": 32, "ns_type": kind, "user_ns_id": CURRENT_USER}, 0])
    return error or value
