"""proc can be mounted for another pid namespace than one's own, by the option pidns= (6.18).

A proc shows the pid namespace that its mounter is in. A runtime that sets a container up from outside therefore had to fork a
process into the namespace only to mount it. With pidns=, a path or a descriptor of the namespace, it names it; it takes
CAP_SYS_ADMIN over the user namespace that owns the pid namespace (EPERM), which must be the caller's own or below it. What is
mounted cannot be given another (EBUSY). Before, the option is unknown (EINVAL).
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER


def since_6_18(caller):
    return {"mount": "ok", "processes": ["1"], "not a pid namespace": "EINVAL",
            "of the machine": "ok" if caller == "root" else "EPERM", "mounted already": "EBUSY"}


def before_6_18(caller):
    return {"mount": "EINVAL", "processes": [], "not a pid namespace": "EINVAL", "of the machine": "EINVAL",
            "mounted already": "not tried"}


CASE = Case(
    claim="proc takes the pid namespace that it is to show as an option (6.18).",
    cites=("Documentation/filesystems/proc.rst, 'Mount Options', pidns=", "proc_parse_pidns_param() in fs/proc/root.c"),
    params={"caller": ("root", "root of a user namespace")},
    expect=(
        Rule(since_6_18, since="6.18", cites="fe49652e36bb (\"procfs: add \"pidns\" mount option\"), 6.18"),
        Rule(before_6_18),
    ),
    needs=("root", "userns"),
    survivors={
        "drop lab.become": "Which ids it has is no matter, but that it is root of another user namespace.",
        "drop lab.map_ids": "Which ids it has is no matter, but that it is root of another user namespace.",
    },
)


def observe(lab, caller):
    for name in ("place", "other"):
        lab.mkdir(name, 0o755)
    process = lab.fork("mounter") if caller == "root" else lab.become(lab.fork("mounter"), OWNER, GROUP)
    process.unshare(CLONE.NEWNS if caller == "root" else CLONE.NEWNS | CLONE.NEWUSER)
    if caller != "root":
        lab.map_ids(process, {0: OWNER}, {0: GROUP}, by=lab)
    maker = process.fork("maker")
    maker.unshare(CLONE.NEWPID)
    maker.fork("first")
    # Of the maker's children.
    own = "pidns=/proc/%d/ns/pid_for_children" % maker.pid
    seen = {"mount": mounted(process, "place", own), "processes": []}
    if seen["mount"] == "ok":
        seen["processes"] = [name for name in process.list_directory("place") if name.isdigit()]
    seen["not a pid namespace"] = mounted(process, "other", "pidns=/proc/self/ns/mnt")
    seen["of the machine"] = mounted(process, "other", "pidns=/proc/self/ns/pid")
    seen["mounted already"] = "not tried"
    if seen["mount"] == "ok":
        seen["mounted already"] = process.attempt.mount(None, "place", None, 32, own)
    return seen


def mounted(process, place, data):
    return process.attempt.mount("proc", place, "proc", 0, data)
