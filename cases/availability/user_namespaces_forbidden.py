"""Two sysctls turn user namespaces off on a machine: one for everybody, one for who is not privileged; what exists stays.

user.max_user_namespaces = 0 stops everybody, root too, in the machine's namespace and in all that exist: ENOSPC.
kernel.unprivileged_userns_clone = 0, a patch of Debian's and others', stops who has no CAP_SYS_ADMIN over the machine: EPERM.
Root of a namespace that exists is stopped with the rest.

Whichever it is, namespaces that exist stay, and can be joined: who must keep programs from the kernel's code behind them
stops them before the first is made. A sandbox must be ready for two different errors, and for a third from a security module
(availability.apparmor_userns).
"""

from ksem.guest.case import Case, Unsupported
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER

# What turns them on again. How many a kernel allows at first follows from its memory, to the page: it is not read.
SYSCTLS = {"user.max_user_namespaces": "500", "kernel.unprivileged_userns_clone": "1"}
# Who is stopped, and with what.
STOPPED = {
    "user.max_user_namespaces": (("user", "root", "root of a user namespace"), "ENOSPC"),
    "kernel.unprivileged_userns_clone": (("user", "root of a user namespace"), "EPERM"),
}


def expected(by):
    who, error = STOPPED[by]
    callers = ("user", "root", "root of a user namespace")
    return {
        "before": dict.fromkeys(callers, "ok"),
        "turned off": {caller: error if caller in who else "ok" for caller in callers},
        "clone3": error, "join one that exists": "ok", "mount namespace of one's own": "ok",
        "turned on again": dict.fromkeys(callers, "ok"),
    }


CASE = Case(
    claim="User namespaces are turned off by user.max_user_namespaces (ENOSPC, for all) or kernel.unprivileged_userns_clone"
          " (EPERM without CAP_SYS_ADMIN); those that exist stay.",
    cites=(
        "namespaces(7), 'The /proc/sys/user directory'",
        "user_namespaces(7), 'AVAILABILITY'",
        "unprivileged_userns_clone in kernel/fork.c of Debian's kernels; inc_ucount() in kernel/ucount.c",
    ),
    params={"by": tuple(SYSCTLS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "alone", "userns"),
    survivors={
        "drop lab.become": "The limit stops root as it stops users, as is claimed.",
    },
)


def observe(lab, by):
    path = "/proc/sys/" + by.replace(".", "/")
    if lab.try_open(path, 0) != "ok":
        raise Unsupported("this kernel has no sysctl %s" % by)
    inside = lab.mapped("inside", {0: OWNER}, {0: GROUP})
    seen = {"before": made(lab, "before", inside)}
    namespace = lab.open("/proc/%d/ns/user" % inside.pid, 0, 0)
    lab.write_file(path, "0")
    try:
        seen["turned off"] = made(lab, "off", inside)
        user = lab.become(lab.fork("user by clone3"), OWNER, GROUP)
        seen["clone3"] = user.attempt.clone3(CLONE.NEWUSER)
        seen["join one that exists"] = lab.fork("joiner").attempt.setns(namespace, CLONE.NEWUSER)
        seen["mount namespace of one's own"] = inside.attempt.unshare(CLONE.NEWNS)
    finally:
        lab.write_file(path, SYSCTLS[by])
    seen["turned on again"] = made(lab, "again", inside)
    return seen


def made(lab, when, inside):
    """A new user namespace for each, in a process that is for that alone."""
    processes = {"user": lab.become(lab.fork("user " + when), OWNER, GROUP), "root": lab.fork("root " + when),
                 "root of a user namespace": inside.fork("inside " + when)}
    return {name: process.attempt.unshare(CLONE.NEWUSER) for name, process in processes.items()}
