"""A user namespace has an owner and a parent, which can be asked for; the answer ends where the asker's own namespace does.

The user who made a namespace owns it, and with it all capabilities over it from the parent. ioctl(2) on a descriptor of it
tells who that is, in the asker's ids: the overflow uid where they have no number for him. NS_GET_PARENT gives a descriptor of
the parent, and NS_GET_USERNS of the user namespace that any other namespace belongs to. Neither leads out: what is not the
asker's own namespace or below it is EPERM. So a process in a container cannot learn whose container it is, nor get hold of
anything outside.

That needs no capability. The descriptor is the key: here all are opened by root and inherited.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, IOCTL, PR
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, user_name

# The first namespace is OWNER's, and calls OWNER 0 and OTHER 1. There OTHER made the second.
ASKERS = ("root", "a stranger", "in the first", "in the second", "in a sibling")
NUMBERS = {"root": {}, "a stranger": {}, "in the first": {OWNER: 0, OTHER: 1}, "in the second": {OTHER: 0},
           "in a sibling": {OTHER: 5}}
# How far each asker sees: which of the two namespaces lie in its own, or are it.
WITHIN = {"root": ("machine", "first", "second"), "a stranger": ("machine", "first", "second"),
          "in the first": ("first", "second"), "in the second": ("second",), "in a sibling": ()}
PARENTS = {"first": "machine", "second": "first"}


def expected(asker):
    table = {}
    for name, owner in (("first", OWNER), ("second", OTHER)):
        numbers = NUMBERS[asker]
        shown = user_name(owner) if not numbers else user_name(numbers[owner]) if owner in numbers else OVERFLOW
        table[name] = {"owner": shown, "parent": "ok" if PARENTS[name] in WITHIN[asker] else "EPERM"}
    table["mount namespace of the second"] = {"user namespace": "ok" if "second" in WITHIN[asker] else "EPERM",
                                              "owner": "EINVAL", "parent": "EINVAL"}
    return table


CASE = Case(
    claim="ioctl tells who owns a user namespace, in the asker's ids, and gives its parent, unless that lies outside of"
          " the asker's own (EPERM).",
    cites=(
        "ioctl_nsfs(2) (ioctl_ns(2)), NS_GET_OWNER_UID, NS_GET_PARENT and NS_GET_USERNS",
        "ns_get_owner() in kernel/user_namespace.c: in_userns()",
        "open_related_ns() and ns_ioctl() in fs/nsfs.c",
    ),
    params={"asker": ASKERS},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "drop setresgid(*": "Who made a namespace is known by the user id alone.",
        "drop lab.become": "A stranger is told what root is.",
    },
)


def observe(lab, asker):
    first = lab.mapped("first", {0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER}, apart=True)
    second = first.fork("second")
    second.values([("setresgid", 1, 1, 1), ("setresuid", 1, 1, 1), ("prctl", PR.SET_DUMPABLE, 1),
                   ("unshare", CLONE.NEWUSER | CLONE.NEWNS)])
    lab.map_ids(second, {0: 1}, {0: 1}, by=first)
    paths = ("/proc/%d/ns/user" % first.pid, "/proc/%d/ns/user" % second.pid, "/proc/%d/ns/mnt" % second.pid)
    outer, inner, mounts = lab.values(("open", path, 0, 0) for path in paths)
    by = start(lab, asker, outer, inner)
    overflow = lab.overflow_ids()[0]
    results = by.batch([("ioctl", mounts, request) for request in
                        (IOCTL.NS_GET_USERNS, IOCTL.NS_GET_OWNER_UID, IOCTL.NS_GET_PARENT)])
    return {"first": asked(by, outer, overflow), "second": asked(by, inner, overflow),
            "mount namespace of the second": dict(zip(("user namespace", "owner", "parent"), results))}


def start(lab, asker, outer, inner):
    """Forked last, it has root's descriptors."""
    if asker == "root":
        return lab
    if asker == "in a sibling":
        return lab.mapped("asker", {5: OTHER}, {5: OTHER})
    process = lab.fork("asker")
    if asker == "a stranger":
        return lab.become(process, OTHER, OTHER)
    process.setns(outer if asker == "in the first" else inner, CLONE.NEWUSER)
    return process


def asked(process, descriptor, overflow):
    owner, error = process.issue("ioctl", [descriptor, IOCTL.NS_GET_OWNER_UID])
    return {"owner": error or user_name(owner, overflow), "parent": process.attempt.ioctl(descriptor, IOCTL.NS_GET_PARENT)}
