"""Whoever maps the parent's uid 0 needs CAP_SETFCAP too, and one who has unshared must have had it before.

A process that is uid 0 of the parent through a map can give files capabilities that count in the parent: such capabilities
are bound to a root user, and that root would be the very one of the parent. A container whose root lacks CAP_SETFCAP could
get around that by unsharing. So since 5.12 a map with uid 0 on its right side is EPERM unless the one who opened the
file has CAP_SETFCAP over the parent, or, where the process writes its own map, had it when the namespace was made.

The rule looks at the first id of each line, in uid_map alone: group 0 may be mapped as before. This is what a nested sandbox
meets in a container with few capabilities: root there cannot map itself, although that is the one id that needs no privilege.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CAP, CLONE, PR
from ksem.guest.lab import GROUP, OWNER

HELD = [CAP.SETUID, CAP.SETGID, CAP.SYS_ADMIN, CAP.DAC_OVERRIDE]
# From outside a group may be mapped beside it, and users in two lines; a process of its own maps one id of each.
TEXTS = {
    "outside": {
        "uid 0": ("uid_map", "0 0 1\n"), "a range from uid 0": ("uid_map", "0 0 10\n"),
        "uid 0 in the second line": ("uid_map", "0 %d 1\n1 0 1\n" % OWNER), "gid 0": ("gid_map", "0 0 1\n"),
        "uid 1 and more": ("uid_map", "0 1 10\n"),
    },
    "inside": {"uid 0": ("uid_map", "0 0 1\n"), "gid 0": ("gid_map", "0 0 1\n")},
}


def since_5_12(writer, setfcap):
    return outcome(writer, setfcap == "held")


def before_5_12(writer, setfcap):
    return outcome(writer, True)


def outcome(writer, allowed):
    """What comes after a text that was taken is EPERM."""
    written, table = set(), {}
    for name, (file, _) in TEXTS[writer].items():
        table[name] = "ok" if file not in written and (allowed or "uid 0" not in name) else "EPERM"
        if table[name] == "ok":
            written.add(file)
    return table


CASE = Case(
    claim="To map uid 0 of the parent user namespace takes CAP_SETFCAP, also for root's own single id.",
    cites=(
        "user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map'",
        "verify_root_map() in kernel/user_namespace.c",
        "db2e718a4798 (\"capabilities: require CAP_SETFCAP to map uid 0\"), 5.12",
    ),
    params={"writer": ("outside", "inside"), "setfcap": ("held", "dropped")},
    expect=(
        Rule(since_5_12, since="5.12", backports=("5.10.35", "5.11.19"),
             cites="db2e718a4798 (\"capabilities: require CAP_SETFCAP to map uid 0\"), 5.12"),
        Rule(before_5_12, cites="new_idmap_permitted() in kernel/user_namespace.c"),
    ),
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    survivors={
        "drop lab.become": "The map is root's: as whom the namespace was made does not matter to it.",
        "drop prctl(PR_SET_DUMPABLE*": "Who only gave capabilities up still is; on a machine it may be otherwise.",
    },
)


def observe(lab, writer, setfcap):
    held = HELD + ([CAP.SETFCAP] if setfcap == "held" else [])
    calls = [("capset", {"effective": held, "permitted": held, "inheritable": []})]
    by = lab.fork("writer")
    if writer == "outside":
        process = lab.become(lab.fork("inside"), OWNER, GROUP)
        process.unshare(CLONE.NEWUSER)
        by.values(calls)
    else:
        process = by
        by.values([*calls, ("prctl", PR.SET_DUMPABLE, 1), ("unshare", CLONE.NEWUSER),
                   ("write_file", "/proc/self/setgroups", "deny")])
    proc = "/proc/self/" if process is by else "/proc/%d/" % process.pid
    results = by.batch(("write_file", proc + file, text) for file, text in TEXTS[writer].values())
    return {name: "ok" if isinstance(result, int) else result for name, result in zip(TEXTS[writer], results)}
