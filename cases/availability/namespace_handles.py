"""A namespace (6.18) or a process (6.14) can be kept as a file handle and opened again, without what would keep it alive.

A service that remembers namespaces, to enter them again or to tell whether two are the same, had to keep a descriptor or a bind
mount of each, which keeps the namespace alive. name_to_handle_at(2) gives a handle of what /proc/PID/ns/NAME leads to, and
open_by_handle_at(2) with FD_NSFS_ROOT, which needs no mount, makes a descriptor of it again. The namespace that one is in
can be opened so by anybody. Others took CAP_SYS_ADMIN over the user namespace that owns them, which root of a sandbox has
over its own; since 7.0, and stable updates before it, only who sees all namespaces may: CAP_SYS_ADMIN over the first
pid namespace. For the rest it is ESTALE, as if it were gone.

Pidfds have handles too, since 6.14, and FD_PIDFS_ROOT since 6.17 (EBADF before); any process may open those of processes
that it could see.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE, O
from ksem.guest.lab import GROUP, OWNER

FD_PIDFS_ROOT, FD_NSFS_ROOT = -10002, -10003
KINDS = ("namespace it is in", "namespace of its child", "process")
CALLERS = ("root", "ordinary user", "root of a user namespace")
ABSENT = {"handle": "EOPNOTSUPP", "open": "not tried"}
OK = {"handle": "ok", "open": "ok"}


def since_7_0(kind):
    return table(kind, OK, OK, {"handle": "ok", "open": "ESTALE"})


def since_6_18(kind):
    return table(kind, OK, OK, OK)


def since_6_17(kind):
    return table(kind, ABSENT, OK, ABSENT)


def since_6_14(kind):
    return table(kind, ABSENT, {"handle": "ok", "open": "EBADF"}, ABSENT)


def before_6_14(kind):
    return table(kind, ABSENT, ABSENT, ABSENT)


def table(kind, own, process, owned):
    if kind != "namespace of its child":
        return dict.fromkeys(CALLERS, process if kind == "process" else own)
    # An ordinary user cannot make one.
    return {"root": own, "root of a user namespace": owned}


CASE = Case(
    claim="Namespaces (6.18) and processes (6.14) have file handles, by which they can be opened again.",
    cites=("nsfs_fh_to_dentry() in fs/nsfs.c", "pidfs_fh_to_dentry() in fs/pidfs.c", "open_by_handle_at(2), 'DESCRIPTION'"),
    params={"kind": KINDS},
    expect=(
        Rule(since_7_0, since="7.0", backports=("6.19.9",),
             cites="d2324a9317f0 (\"nsfs: tighten permission checks for handle opening\"), 7.0"),
        Rule(since_6_18, since="6.18", cites="5222470b2fbb (\"nsfs: support file handles\"), 6.18"),
        Rule(since_6_17, since="6.17", cites="FD_PIDFS_ROOT in include/uapi/linux/fcntl.h, 6.17"),
        Rule(since_6_14, since="6.14", cites="b3caba8f7a34 (\"pidfs: implement file handle support\"), 6.14"),
        Rule(before_6_14),
    ),
    needs=("root", "userns"),
    options=("CONFIG_FHANDLE",),
    documented="open_by_handle_at(2) of man-pages 6.03 knows neither FD_NSFS_ROOT nor FD_PIDFS_ROOT.",
    survivors={
        "drop lab.become": "Which ids it has is no matter, but that it is root of another user namespace.",
        "drop lab.map_ids": "Which ids it has is no matter, but that it is root of another user namespace.",
    },
)


def observe(lab, kind):
    seen = {}
    for caller in CALLERS:
        process = start(lab, caller)
        path, root, flags = "/proc/self/ns/mnt", FD_NSFS_ROOT, 0
        if kind == "namespace of its child":
            child = process.fork("child of " + caller)
            if child.attempt.unshare(CLONE.NEWUTS) != "ok":
                continue
            path = "/proc/%d/ns/uts" % child.pid
        elif kind == "process":
            path, root, flags = "/proc/self/fd/%d" % process.pidfd_open("parent", 0), FD_PIDFS_ROOT, O.RDWR
        opened = process.open_by_handle(path, root, flags)
        seen[caller] = dict(opened, open="ok" if isinstance(opened["open"], int) else opened["open"])
    return seen


def start(lab, caller):
    if caller == "root":
        return lab.fork("root")
    process = lab.become(lab.fork("user" if caller == "ordinary user" else "inside"), OWNER, GROUP)
    if caller != "ordinary user":
        process.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        lab.map_ids(process, {0: OWNER}, {0: GROUP}, by=lab)
    return process
