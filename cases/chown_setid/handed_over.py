"""With CAP_CHOWN a tree can be given to a client and taken back, but not its set-id programs without CAP_FOWNER.

A build daemon that is not root but holds CAP_CHOWN can give what it built to the client, files and directories, its own set-id
programs too: it is their owner, so it may clear the bits. Taking back works for everything plain. A set-id file that is
the client's by then is another matter: clearing its bits is a change of mode, and for that CAP_CHOWN alone is not enough
(EPERM). A client can so keep a daemon from cleaning up, by one chmod, unless the daemon has CAP_FOWNER too.

A directory that was given away can be renamed within its parent, which is the daemon's, but not into another: its
".." would change, and that asks for write permission on the directory itself (EACCES). Hence it is taken back first. A
file can be moved anywhere. CAP_DAC_OVERRIDE, as root has it, makes up for the permission.

Without CAP_CHOWN nothing is given away, and the set-id program below stays as exposed as it was: a failed chown
clears nothing.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

DAEMONS = {
    "no capability": (),
    "CAP_CHOWN": ("CHOWN",),
    "CAP_CHOWN and CAP_FOWNER": ("CHOWN", "FOWNER"),
    "CAP_CHOWN and CAP_DAC_OVERRIDE": ("CHOWN", "DAC_OVERRIDE"),
}
PROGRAM, FILE, TREE = "builds/tree/program", "builds/tree/file", "builds/tree"
# Each step: who makes it, the call, what is looked at after it.
STEPS = {
    "give the program": ("daemon", ("chown", PROGRAM, OTHER, OTHER), PROGRAM),
    "give the file": ("daemon", ("chown", FILE, OTHER, OTHER), FILE),
    "give the tree": ("daemon", ("chown", TREE, OTHER, OTHER), TREE),
    "the client makes the file set-user-id": ("client", ("chmod", FILE, 0o4755), FILE),
    "rename the tree within its parent": ("daemon", ("rename", TREE, "builds/other"), "builds/other"),
    "rename it back": ("daemon", ("rename", "builds/other", TREE), TREE),
    "rename the tree into another parent": ("daemon", ("rename", TREE, "done/tree"), None),
    "take the program back": ("daemon", ("chown", PROGRAM, OWNER, GROUP), PROGRAM),
    "take the file back": ("daemon", ("chown", FILE, OWNER, GROUP), FILE),
    "take the tree back": ("daemon", ("chown", TREE, OWNER, GROUP), TREE),
    "rename the tree that was taken back": ("daemon", ("rename", TREE, "done/tree"), None),
}
# The second of two renames finds nothing if the first succeeded, so that one is undone.
UNDONE = "rename the tree into another parent"


def expected(daemon):
    held = DAEMONS[daemon]
    if not held:
        return dict(without_capability(), **{name: "ok: " + where for name, where in renames().items()})
    moved = "DAC_OVERRIDE" in held
    return {
        "give the program": "ok: 00755 other:other",
        "give the file": "ok: 00644 other:other",
        "give the tree": "ok: 00755 other:other",
        "the client makes the file set-user-id": "ok: 04755 other:other",
        "rename the tree within its parent": "ok: 00755 other:other",
        "rename it back": "ok: 00755 other:other",
        "rename the tree into another parent": "ok: done" if moved else "EACCES: builds",
        "take the program back": "ok: 00755 owner:group",
        "take the file back": "ok: 00755 owner:group" if "FOWNER" in held else "EPERM: 04755 other:other",
        "take the tree back": "ok: 00755 owner:group",
        "rename the tree that was taken back": "ok: done",
    }


def without_capability():
    return {
        "give the program": "EPERM: 04755 owner:group",
        "give the file": "EPERM: 00644 owner:group",
        "give the tree": "EPERM: 00755 owner:group",
        "the client makes the file set-user-id": "EPERM: 00644 owner:group",
        # It owns all this: nothing is asked of CAP_CHOWN.
        "take the program back": "ok: 00755 owner:group",
        "take the file back": "ok: 00644 owner:group",
        "take the tree back": "ok: 00755 owner:group",
    }


def renames():
    return {name: "done" if step[2] is None else "00755 owner:group" for name, step in STEPS.items() if "rename" in name}


CASE = Case(
    claim="With CAP_CHOWN alone a tree can be given away and taken back, except for set-id files of the new owner (EPERM); a"
          " directory that is another's cannot be renamed into another parent (EACCES).",
    cites=(
        "chown_ok() and setattr_prepare() in fs/attr.c",
        "rename(2), 'ERRORS', EACCES; vfs_rename() in fs/namei.c: inode_permission(source, MAY_WRITE)",
        "capabilities(7), CAP_CHOWN, CAP_FOWNER",
    ),
    params={"daemon": tuple(DAEMONS)},
    expect=expected,
    needs=("root",),
    documented="capabilities(7) describes CAP_CHOWN as arbitrary changes of ids; that it does not suffice for a set-id file of"
               " somebody else is not said.",
    survivors={
        'drop chown("builds/tree"*': "Who may take it may take it from anybody.",
        "drop lab.become": "Root may do what the client may: the daemon is who is asked.",
    },
)


def observe(lab, daemon):
    for path in ("builds", "done", TREE):
        lab.mkdir(path, 0o755)
        lab.chown(path, OWNER, GROUP)
    lab.file(PROGRAM, 0o4755, OWNER, GROUP)
    lab.file(FILE, 0o644, OWNER, GROUP)
    processes = {"daemon": lab.become(lab.fork("daemon"), OWNER, GROUP, (), [getattr(CAP, name) for name in DAEMONS[daemon]]),
                 "client": lab.become(lab.fork("client"), OTHER, OTHER)}
    return {name: step(lab, name, processes[who], call, path) for name, (who, call, path) in STEPS.items()}


def step(lab, name, process, call, path):
    result = process.batch([call])[0]
    if path is None:
        place = "done" if lab.list_directory("done") else "builds"
        if name == UNDONE and place == "done":
            lab.rename("done/tree", TREE)
        return "%s: %s" % (result, place)
    now = lab.status(path)
    return "%s: %s %s:%s" % (result, now["mode"], user_name(now["uid"]), user_name(now["gid"]))
