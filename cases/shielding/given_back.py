"""A tree given to the client can be taken back by who holds CAP_CHOWN over both ids, and by nobody else.

CAP_CHOWN alone, in an otherwise ordinary daemon, is enough for both ways: it is asked of the caller, not of the owner of the
moment. A daemon without it can neither give (EPERM) nor take. Root of a user namespace is as good as CAP_CHOWN where
the client's ids are mapped there too; where they are not, it cannot even name them (EINVAL), and what somebody else gave
away is out of its reach (EPERM).

The set-id bits of the daemon's own program are gone after the first chown. A bit that the client sets while the tree is its
own stays on with CAP_CHOWN alone: taking that file back is EPERM, until the client clears it or somebody with CAP_FOWNER
does. Root takes it, and clears it. Directories keep their bits all the way.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP, CLONE
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

TREE = ("program", "directory")
BEFORE = {"program": "06755 owner", "directory": "03755 owner"}
CALLERS = ("root", "CAP_CHOWN", "CAP_CHOWN and CAP_FOWNER", "owner", "root of a user namespace, client mapped",
           "root of a user namespace, client unmapped")


def expected(caller):
    able = caller in CALLERS[:3] or caller.endswith("client mapped")
    refused = "EINVAL" if caller.endswith("unmapped") else "EPERM"
    given = {"results": ["ok" if able else refused] * 2,
             "now": {"program": "00755 other", "directory": "03755 other"} if able else BEFORE}
    # The client makes its program set-id; then all is to be the daemon's again. It was given away by root in any case.
    takes = ["ok" if able and caller != "CAP_CHOWN" else "EPERM", "ok" if able else "EPERM"]
    taken = {"results": takes, "now": {
        "program": "00755 owner" if takes[0] == "ok" else "04755 other",
        "directory": "03755 owner" if takes[1] == "ok" else "03755 other"}}
    return {"given": given, "taken back": taken, "taken back, bits cleared": {
        "results": ["ok" if able else "EPERM"] * 2, "now": {
            "program": "00755 owner" if able else "00755 other", "directory": "03755 owner" if able else "03755 other"}}}


CASE = Case(
    claim="With CAP_CHOWN and no root a tree can be given to the client and taken back, except files that the client made"
          " set-id meanwhile; without CAP_CHOWN neither.",
    cites=(
        "chown(2), 'DESCRIPTION' and 'ERRORS', EPERM",
        "capabilities(7), CAP_CHOWN",
        "user_namespaces(7), 'Operation of file-related capabilities'",
        "chown_ok() and setattr_prepare() in fs/attr.c; chown_common() in fs/open.c: EINVAL for an id without a mapping",
    ),
    params={"caller": CALLERS},
    shown_with={"caller": "CAP_CHOWN"},
    expect=expected,
    needs=lambda caller: ("root",) + (("userns",) if "namespace" in caller else ()),
    documented="chown(2) knows EINVAL for wrong flags only, not for ids that are not mapped, and does not say that"
               " clearing the bits is EPERM with CAP_CHOWN alone.",
    survivors={
        "drop lab.become": "Root sets a mode as the owner does.",
    },
)


def observe(lab, caller):
    lab.mkdir("tree", 0o755)
    lab.file("tree/program", 0o6755, OWNER, GROUP)
    lab.mkdir("tree/directory", 0o755)
    lab.chown("tree/directory", OWNER, GROUP)
    lab.chmod("tree/directory", 0o3755)
    daemon, own, other = start(lab, caller)
    observation = {"given": {"results": change(daemon, other), "now": look(lab)}}
    change(lab, OTHER)
    lab.become(lab.fork("client"), OTHER, OTHER).chmod("tree/program", 0o4755)
    observation["taken back"] = {"results": change(daemon, own), "now": look(lab)}
    # For those that were refused: root clears what the client has set.
    lab.chmod("tree/program", 0o755)
    observation["taken back, bits cleared"] = {"results": change(daemon, own), "now": look(lab)}
    return observation


def start(lab, caller):
    """The daemon, and by which ids it knows itself and the client."""
    if caller == "root":
        return lab, OWNER, OTHER
    if caller.endswith("client mapped"):
        return lab.mapped("daemon", {0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER}), 0, 1
    capabilities = {"CAP_CHOWN": [CAP.CHOWN], "CAP_CHOWN and CAP_FOWNER": [CAP.CHOWN, CAP.FOWNER]}.get(caller, ())
    daemon = lab.become(lab.fork("daemon"), OWNER, GROUP, (), capabilities)
    if "namespace" in caller:
        daemon.unshare(CLONE.NEWUSER)
        lab.map_ids(daemon, {0: OWNER}, {0: GROUP})
        return daemon, 0, lab.overflow_ids()[0]
    return daemon, OWNER, OTHER


def change(process, uid):
    return process.batch([("chown", "tree/" + name, uid, -1) for name in TREE])


def look(lab):
    table = {}
    for name in TREE:
        now = lab.status("tree/" + name)
        table[name] = "%s %s" % (now["mode"], user_name(now["uid"]))
    return table
