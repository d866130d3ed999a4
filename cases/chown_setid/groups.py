"""Which groups an owner may give a file to: those of its credentials that count for files, not its real or saved one.

An owner without CAP_CHOWN may name a group that it is in. "In" means the filesystem gid, which follows the effective one, and
the supplementary groups (in_group_p()). The real gid does not count, nor the saved one: a set-group-id program that runs
with other ids cannot use the group of its caller, and a daemon that lowered its effective gid for a moment cannot use the one
that it can return to.

The group that the file has may always be named, also by an owner who is in no such group, and so may -1. The set-id bits
go in each case that succeeds, and stay in each that fails.
"""

from ksem.guest.case import Case
from ksem.guest.lab import GROUP, OTHER, OWNER

REAL, EFFECTIVE, SAVED, SUPPLEMENTARY = 2100000011, 2100000012, 2100000013, 2100000014
WANTED = {"real": REAL, "effective": EFFECTIVE, "saved": SAVED, "supplementary": SUPPLEMENTARY, "the file's": GROUP,
          "foreign": OTHER, "-1": -1}
MEMBER = (EFFECTIVE, SUPPLEMENTARY)
MODES = (0o644, 0o6755)


def expected(owned):
    return {name: {"%05o" % mode: outcome(owned, gid, mode) for mode in MODES} for name, gid in WANTED.items()}


def outcome(owned, gid, mode):
    """chgrp_ok(); -1 asks for no right, but clearing the bits of a set-id file does."""
    own = owned == "its own file"
    if not (own and gid in (*MEMBER, GROUP)) and not (gid == -1 and (own or mode == 0o644)):
        return "EPERM: %05o group" % mode
    return "ok: %05o %s" % (mode & 0o777, name_of(GROUP if gid == -1 else gid))


def name_of(gid):
    return {GROUP: "group", OTHER: "foreign"}.get(gid) or {number: name for name, number in WANTED.items()}[gid]


CASE = Case(
    claim="An owner may give its file to its effective and supplementary groups, and to the group it has; not to its real or"
          " saved one (EPERM).",
    cites=(
        "chown(2), 'DESCRIPTION'",
        "credentials(7), 'User and group identifiers'",
        "chgrp_ok() in fs/attr.c: vfsgid_in_group_p(); in_group_p() in kernel/groups.c compares cred->fsgid",
    ),
    params={"owned": ("its own file", "a stranger's file")},
    expect=expected,
    needs=("root",),
    documented="chown(2) speaks of the groups of which the owner is a member, and does not say that the real gid is none.",
    survivors={
        'drop chmod("files/*': "Bits that no caller loses are still there.",
    },
)


def observe(lab, owned):
    lab.tmpfs("files")
    owner = OWNER if owned == "its own file" else OTHER
    for mode in MODES:
        lab.file("files/%05o" % mode, mode, owner, GROUP)
    process = lab.fork("caller")
    process.values([("setgroups", 1, [SUPPLEMENTARY]), ("setresgid", REAL, EFFECTIVE, SAVED),
                    ("setresuid", OWNER, OWNER, OWNER)])
    return {name: {"%05o" % mode: attempt(lab, process, owner, mode, gid) for mode in MODES} for name, gid in WANTED.items()}


def attempt(lab, process, owner, mode, gid):
    path = "files/%05o" % mode
    result = process.attempt.chown(path, -1, gid)
    now = lab.status(path)
    lab.chown(path, owner, GROUP)
    lab.chmod(path, mode)
    return "%s: %s %s" % (result, now["mode"], name_of(now["gid"]))
