"""What is left of a sandbox's capabilities after execve(2) depends on which number its user has inside: all for 0, none else.

The first process of a user namespace holds every capability there, whatever it is called. execve computes them anew by the
same rules as on the machine: effective user 0 of the namespace gets all of the bounding set, anybody else what the ambient
set holds, which is nothing unless it was asked for. So a sandbox that maps its user to itself, to show programs their usual
number, has capabilities for its setup and its programs none; one that maps it to 0 gives them all, again and again: to drop
them by capset(2) lasts until the next execve, unless no_new_privs (or the bounding set) keeps what is gone from coming back.

Root of the machine who joins the namespace is 0 nowhere in it, and has nothing after execve.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP, CLONE, PR
from ksem.guest.lab import GROUP, OTHER, OWNER

AS_ROOT, AS_ITSELF = ({0: OWNER}, {0: GROUP}), ({OWNER: OWNER}, {GROUP: GROUP})
NONE = {"effective": [], "permitted": [], "inheritable": []}
KEPT = {"effective": [CAP.CHOWN], "permitted": [CAP.CHOWN], "inheritable": [CAP.CHOWN]}
# The maps, and what the process does before it executes the program.
CALLERS = {
    "as 0": (AS_ROOT, []),
    "as itself": (AS_ITSELF, []),
    "as itself, CAP_CHOWN in the ambient set": (AS_ITSELF, [("capset", KEPT), ("raise_ambient", CAP.CHOWN)]),
    "without maps": (({}, {}), []),
    "as 0, then the second user": (({0: OWNER, 1: OTHER}, {0: GROUP}), [("setresuid", 1, 1, 1)]),
    "as 0, capabilities dropped": (AS_ROOT, [("capset", NONE)]),
    "as 0, capabilities dropped, no_new_privs": (AS_ROOT, [("capset", NONE), ("prctl", PR.SET_NO_NEW_PRIVS, 1)]),
    "as 0, dropped from the bounding set": (AS_ROOT, [("prctl", PR.CAPBSET_DROP, CAP.CHOWN)]),
    "the machine's root, joined": (AS_ROOT, []),
}
BEFORE = {"as itself, CAP_CHOWN in the ambient set": "CAP_CHOWN", "as 0, then the second user": "none",
          "as 0, capabilities dropped": "none", "as 0, capabilities dropped, no_new_privs": "none"}
AFTER = {"as 0": "all", "as itself, CAP_CHOWN in the ambient set": "CAP_CHOWN", "as 0, capabilities dropped": "all",
         "as 0, dropped from the bounding set": "all but CAP_CHOWN"}


def expected(caller):
    return {"before": BEFORE.get(caller, "all"), "after execve": AFTER.get(caller, "none")}


CASE = Case(
    claim="execve in a user namespace gives all capabilities to who is 0 there, and to others none but the ambient"
          " ones, whatever they had before.",
    cites=(
        "capabilities(7), 'Transformation of capabilities during execve()'",
        "capabilities(7), 'Capabilities and execution of programs by root'",
        "user_namespaces(7), 'Capabilities'",
        "cap_bprm_creds_from_file() and handle_privileged_root() in security/commoncap.c: root_uid of the namespace",
    ),
    params={"caller": tuple(CALLERS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, caller):
    lab.program("program")
    lab.write_program("program", "capabilities")
    maps, calls = CALLERS[caller]
    if "joined" in caller:
        first = lab.mapped("first", *maps, apart=True)
        namespace = lab.open("/proc/%d/ns/user" % first.pid, 0, 0)
        process = lab.fork("inside")
        process.setns(namespace, CLONE.NEWUSER)
    else:
        process = lab.mapped("inside", *maps, apart=True)
    process.values(calls)
    whole = (2 << int(lab.read_file("/proc/sys/kernel/cap_last_cap"))) - 1
    before, after = process.values([("credentials", "/proc/self"), ("run_capabilities", "program")])
    held = before["capabilities"]
    return {"before": held if held in ("all", "none") else named(int(held, 16), whole),
            "after execve": named(after["effective"], whole)}


def named(held, whole):
    chown = 1 << CAP.CHOWN
    return {0: "none", whole: "all", chown: "CAP_CHOWN", whole & ~chown: "all but CAP_CHOWN"}.get(held, "%x" % held)
