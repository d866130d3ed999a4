"""clone3(2) makes children that fork(2) cannot: elsewhere, with less, and since 7.1 leaving no zombie, or killed with a pidfd.

A sandbox that forks first and changes the child afterwards has a child that is not yet what it should be. clone3 takes all
that as flags, and more of them than clone(2) has bits. It came with 5.3; in another cgroup, with a chosen id and without
the parent's signal handlers since 5.7 and 5.5. An unknown flag is EINVAL, on every kernel, so that a caller may ask for
one and do without.

CLONE_NNP makes the child one with no_new_privs from its first instruction. CLONE_AUTOREAP needs no wait(2): the child leaves
nothing behind, and gives no signal. CLONE_PIDFD_AUTOKILL kills it when the last descriptor of it is closed, so that no crash
of a supervisor leaves one running; a user without CAP_SYS_ADMIN must ask for CLONE_NNP as well (EPERM), or the child could
become a program that it must not kill.

A chosen id takes CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE (EPERM). A cgroup of one's own is not enough: moving into it from the
root of the hierarchy takes write permission there (EACCES).
"""

from ksem.guest.case import Case, Rule, Unsupported
from ksem.guest.flags import CLONE3, O
from ksem.guest.lab import GROUP, OWNER

SIGCHLD = 17
TID = 31000
AUTOKILL = CLONE3.PIDFD | CLONE3.AUTOREAP | CLONE3.PIDFD_AUTOKILL
# Flags, the signal of the child's end, and its id.
FEATURES = {
    "as fork does it": (0, SIGCHLD, 0),
    "user namespace": (CLONE3.NEWUSER, SIGCHLD, 0),
    "signal handlers cleared": (CLONE3.CLEAR_SIGHAND, SIGCHLD, 0),
    "chosen id": (0, SIGCHLD, TID),
    "into a cgroup": (CLONE3.INTO_CGROUP, SIGCHLD, 0),
    "descriptor": (CLONE3.PIDFD, SIGCHLD, 0),
    "no new privileges": (CLONE3.NNP, SIGCHLD, 0),
    "no zombie": (CLONE3.AUTOREAP, 0, 0),
    "no zombie, but a signal": (CLONE3.AUTOREAP, SIGCHLD, 0),
    "killed with its descriptor": (AUTOKILL, 0, 0),
    "killed with its descriptor, no new privileges": (AUTOKILL | CLONE3.NNP, 0, 0),
    "empty mount namespace": (CLONE3.EMPTY_MNTNS, SIGCHLD, 0),
    "unknown flag": (1 << 60, SIGCHLD, 0),
}
NEW = CLONE3.NNP | CLONE3.AUTOREAP | CLONE3.PIDFD_AUTOKILL | CLONE3.EMPTY_MNTNS
ALWAYS_REFUSED = {"unknown flag": "EINVAL", "no zombie, but a signal": "EINVAL"}
CALLERS = {"root": 0, "ordinary user": OWNER}


def since_7_1(feature):
    return {caller: outcome(feature, uid) for caller, uid in CALLERS.items()}


def before_7_1(feature):
    return {caller: "EINVAL" if FEATURES[feature][0] & NEW else outcome(feature, uid) for caller, uid in CALLERS.items()}


def outcome(feature, uid):
    flags, _, set_tid = FEATURES[feature]
    if feature in ALWAYS_REFUSED:
        return ALWAYS_REFUSED[feature]
    # To kill what may become a setuid program, and to have a mount namespace, takes CAP_SYS_ADMIN.
    if uid and (feature in ("chosen id", "killed with its descriptor", "empty mount namespace")):
        return "EPERM"
    if uid and feature == "into a cgroup":
        return "EACCES"
    return {
        "uid": "overflow" if flags & CLONE3.NEWUSER else "root" if uid == 0 else "owner",
        "no_new_privs": bool(flags & CLONE3.NNP),
        "root is empty": bool(flags & CLONE3.EMPTY_MNTNS),
        "signals": ["default" if flags & CLONE3.CLEAR_SIGHAND else "caught", "ignored"],
        "outlives its pidfd": not flags & CLONE3.PIDFD_AUTOKILL,
        "left a zombie": not flags & CLONE3.AUTOREAP,
        "id as asked": set_tid > 0,
        "cgroup": "/ksem" if flags & CLONE3.INTO_CGROUP else "",
    }


CASE = Case(
    claim="clone3 makes a child in a cgroup, with a chosen id, without signal handlers, and since 7.1 without zombie, without"
          " new privileges, or killed with its descriptor.",
    cites=(
        "clone(2), 'clone3()'",
        "clone3_args_valid() and copy_process() in kernel/fork.c",
        "7f192e3cd316 (\"fork: add clone3\"), 5.3",
        "b612e5df4587 (\"clone3: add CLONE_CLEAR_SIGHAND\"), 5.5",
        "49cb2fc42ce4 (\"fork: extend clone3() to support setting a PID\"), 5.5",
        "ef2c41cf38a7 (\"clone3: allow spawning processes into cgroups\"), 5.7",
    ),
    params={"feature": tuple(FEATURES)},
    expect=(
        Rule(since_7_1, since="7.1", cites="24baca56fafc (\"clone: add CLONE_NNP\"), c8134b5f13ae (\"pidfd: add"
             " CLONE_PIDFD_AUTOKILL\") and 9d4e752a24f7 (\"namespace: allow creating empty mount namespaces\"), 7.1"),
        Rule(before_7_1),
    ),
    needs=lambda feature: ("root", "userns") + (("fs:cgroup2",) if "cgroup" in feature else ()),
    documented="clone(2) of man-pages 6.03 knows none of the flags of 7.1.",
    survivors={
        'drop chown("cgroups/ksem"*': "That the cgroup is the user's own changes nothing: EACCES is for the one above both.",
        'drop chmod("cgroups/ksem"*': "Nor does that its owner may write to it.",
    },
)


def observe(lab, feature):
    processes = {"root": lab.fork("root"), "ordinary user": lab.become(lab.fork("user"), OWNER, GROUP)}
    if feature != "into a cgroup":
        return {name: made(process, feature, 0) for name, process in processes.items()}
    lab.mkdir("cgroups", 0o755)
    if lab.attempt.mount("cgroups", "cgroups", "cgroup2", 0, None) != "ok" or lab.attempt.mkdir("cgroups/ksem", 0o755) != "ok":
        raise Unsupported("no cgroup can be made here")
    try:
        lab.do([("chown", "cgroups/ksem", OWNER, -1), ("chmod", "cgroups/ksem", 0o755)])
        return {name: made(process, feature, process.open("cgroups/ksem", O.PATH | O.DIRECTORY, 0))
                for name, process in processes.items()}
    finally:
        lab.rmdir("cgroups/ksem")
        lab.finish()


def made(process, feature, cgroup):
    seen, error = process.issue("run_cloned", [*FEATURES[feature], cgroup])
    return error or dict(seen, uid={0: "root", OWNER: "owner"}.get(seen["uid"], "overflow"))
