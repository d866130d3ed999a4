"""To move a directory into another parent one needs write permission on the directory itself, not just on both parents.

A directory holds a reference to its parent, `..`, and moving it writes that. So rename(2) asks for one permission more when
the parent changes and what moves is a directory; a file, or a new name in the same parent, needs none. The owner of both
parents cannot move a directory of somebody else's (EACCES), be it empty, and neither can the owner of a directory whose
write bit is cleared.

A daemon that has given a build tree to its client and wants to move it must therefore take it back first, or hold
CAP_DAC_OVERRIDE. CAP_CHOWN does not help with the move, only with taking it back, and CAP_FOWNER not at all. Root of a user
namespace has CAP_DAC_OVERRIDE over what is mapped there, and so it matters whether the client's ids are.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP, CLONE
from ksem.guest.lab import GROUP, OTHER, OWNER

# name: (owner, group, mode, whether it is a directory)
THINGS = {
    "somebody's directory": (OTHER, OTHER, 0o755, True),
    "somebody's directory, open to all": (OTHER, OTHER, 0o777, True),
    "somebody's directory, open to the caller's group": (OTHER, GROUP, 0o775, True),
    "own directory": (OWNER, GROUP, 0o755, True),
    "own directory, write bit cleared": (OWNER, GROUP, 0o555, True),
    "somebody's file": (OTHER, OTHER, 0o644, False),
}
CAPABILITIES = {"CAP_CHOWN": [CAP.CHOWN], "CAP_FOWNER": [CAP.FOWNER], "CAP_DAC_OVERRIDE": [CAP.DAC_OVERRIDE]}
CALLERS = ("owner of both parents", *CAPABILITIES, "root of a user namespace", "root of a user namespace, all mapped")


def expected(caller):
    table = {}
    for name, (owner, group, mode, directory) in THINGS.items():
        write_bit = 0o200 if owner == OWNER else 0o020 if group == GROUP else 0o002
        overridden = caller in ("CAP_DAC_OVERRIDE", "root of a user namespace, all mapped") or (
            caller == "root of a user namespace" and owner == OWNER)
        moved = not directory or bool(mode & write_bit) or overridden
        table[name] = {"within its parent": "ok", "into another parent": "ok" if moved else "EACCES",
                       "found in": "to" if moved else "from"}
    return dict(table, **{"somebody's directory, taken back first": taken_back(caller)})


def taken_back(caller):
    """Whoever may chown it may move it then."""
    able = caller in ("CAP_CHOWN", "root of a user namespace, all mapped")
    move = "ok" if able or caller == "CAP_DAC_OVERRIDE" else "EACCES"
    return {"chown": "ok" if able else "EPERM", "into another parent": move}


CASE = Case(
    claim="rename(2) of a directory into another parent needs write permission on that directory itself, which CAP_CHOWN"
          " gives only to who takes it back first.",
    cites=(
        "rename(2), 'ERRORS', EACCES: oldpath is a directory and does not allow write permission, needed to update ..",
        "IEEE Std 1003.1, rename(), 'ERRORS', EACCES",
        "vfs_rename() in fs/namei.c: inode_permission(MAY_WRITE) if the parent changes and the source is a directory",
        "user_namespaces(7), 'Operation of file-related capabilities'",
    ),
    params={"caller": CALLERS},
    expect=expected,
    needs=lambda caller: ("root",) + (("userns",) if "namespace" in caller else ()),
    survivors={
        'drop chmod("from/*': "It is made with that mode; where another is given, it is noticed.",
        'drop chown("from/somebody\'s directory, open to all"*': "Whose it is does not matter where all may write to it.",
    },
)


def observe(lab, caller):
    build(lab)
    process = start(lab, caller)
    own = (0, 0) if "namespace" in caller else (OWNER, GROUP)
    calls = [call for name in THINGS for call in (("rename", "from/" + name, "from/new " + name),
                                                  ("rename", "from/new " + name, "to/" + name))]
    calls += [("chown", "from/taken back", *own), ("rename", "from/taken back", "to/taken back")]
    answers = process.batch(calls)
    places = {place: lab.list_directory(place) for place in ("from", "to")}
    table = {name: {"within its parent": answers[2 * index], "into another parent": answers[2 * index + 1],
                    "found in": "to" if name in places["to"] else "from" if "new " + name in places["from"] else "nowhere"}
             for index, name in enumerate(THINGS)}
    return dict(table, **{"somebody's directory, taken back first": {"chown": answers[-2], "into another parent": answers[-1]}})


def build(lab):
    for parent in ("from", "to"):
        lab.mkdir(parent, 0o755)
        lab.chown(parent, OWNER, GROUP)
    for name, (owner, group, mode, directory) in THINGS.items():
        if directory:
            lab.mkdir("from/" + name, 0o755)
            lab.chown("from/" + name, owner, group)
            lab.chmod("from/" + name, mode)
        else:
            lab.file("from/" + name, mode, owner, group)
    lab.mkdir("from/taken back", 0o755)
    lab.chown("from/taken back", OTHER, OTHER)


def start(lab, caller):
    if caller.endswith("all mapped"):
        return lab.mapped("inside", {0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})
    process = lab.become(lab.fork("caller"), OWNER, GROUP, (), CAPABILITIES.get(caller, ()))
    if "namespace" in caller:
        process.unshare(CLONE.NEWUSER)
        lab.map_ids(process, {0: OWNER}, {0: GROUP})
    return process
