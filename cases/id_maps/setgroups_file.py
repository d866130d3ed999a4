"""setgroups can be denied for a user namespace, before its groups are mapped, for good, and for all below it.

/proc/PID/setgroups says "allow" in a new user namespace. "deny" may be written until gid_map is, and cannot be taken back;
"allow" is accepted, without effect, only where it is still so. A namespace made inside one that is denied begins denied,
else it would be the way around. Only those two words are taken.

setgroups(2) itself needs CAP_SETGID, an allowed namespace and a written gid_map: until then it is EPERM even for the
first process, that has every capability. A runtime that wants to drop supplementary groups must
do so before it enters, or have its groups mapped by somebody with CAP_SETGID.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER

WORDS = ("", "Allow", "denied", "no", "deny\ndeny", "allow,deny")
ORDERS = {
    "gid_map, then deny": ("gid_map", "deny"),
    "deny, then gid_map": ("deny", "gid_map"),
    "allow, then gid_map": ("allow", "gid_map"),
    "deny, then allow": ("deny", "allow"),
    "deny, then below": ("deny", "gid_map", "below", "allow"),
    "gid_map, then below": ("gid_map", "below", "allow"),
}


def expected(order):
    allowed, mapped, steps = True, False, []
    for step in ORDERS[order]:
        result = "ok"
        if step == "gid_map":
            mapped = True
        elif step == "below":
            mapped = False
        elif step == "allow":
            result = "ok" if allowed else "EPERM"
        elif mapped:
            result = "EPERM"
        else:
            allowed = False
        steps.append([step, result, "allow" if allowed else "deny", "ok" if allowed and mapped else "EPERM"])
    return {"words": dict.fromkeys(WORDS, "EINVAL"), "at first": ["allow", "EPERM"], "steps": steps}


CASE = Case(
    claim="\"deny\" in /proc/PID/setgroups comes before gid_map or not at all, is final, and holds for nested namespaces.",
    cites=(
        "user_namespaces(7), 'The /proc/pid/setgroups file'",
        "proc_setgroups_write() and userns_may_setgroups() in kernel/user_namespace.c",
        "9cc46516ddf4 (\"userns: Add a knob to disable setgroups on a per user namespace basis\"), 3.19, CVE-2014-8989",
    ),
    params={"order": tuple(ORDERS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, order):
    process = lab.become(lab.fork("inside"), OWNER, GROUP)
    process.unshare(CLONE.NEWUSER)
    proc = "/proc/%d/" % process.pid
    lab.write_file(proc + "uid_map", "0 %d 1\n" % OWNER)
    words = process.batch(("write_file", "/proc/self/setgroups", word) for word in WORDS)
    observation = {"words": dict(zip(WORDS, words)), "at first": state(process), "steps": []}
    for step in ORDERS[order]:
        if step == "gid_map":
            result = lab.attempt.write_file(proc + "gid_map", "0 %d 1\n" % GROUP)
        elif step == "below":
            result = process.attempt.unshare(CLONE.NEWUSER)
        else:
            result = process.attempt.write_file("/proc/self/setgroups", step)
        observation["steps"].append([step, result, *state(process)])
    return observation


def state(process):
    """What the file says, and what setgroups(2) does."""
    text, result = process.batch([("read_file", "/proc/self/setgroups"), ("setgroups", 0, [])])
    return [text.strip(), result]
