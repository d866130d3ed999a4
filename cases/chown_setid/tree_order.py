"""Giving a tree away opens a window on its set-id programs, unless it is done bottom-up, behind a closed door, or after chmod.

A builder's tree is its own, and nobody else may enter it (mode 0700): whatever set-id program a build left there is out of
reach. Handing it over takes several calls, and the order decides what the client, or anybody, can reach in between:

- top-down, the directory is opened before the program in it has lost its bits: for a while the client can run, or link
  elsewhere, a program that runs as the builder; and a daemon with CAP_CHOWN alone, which can no longer enter (EACCES),
  never gets to close it;
- chmod 0755 first opens it to everybody, and if the chown that should follow is not permitted, for good;
- bottom-up, the program loses its bits while it is still out of reach;
- one directory above the tree that only its owner may enter closes the window whatever the order, until it is opened;
- clearing the bits by chmod before anything else leaves nothing to reach, also where no chown is possible.

"Reach" is what access(2) tells about executing the program; that it would run as its owner follows from the mode.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP, X_OK
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

TREE, PROGRAM = "door/tree", "door/tree/program"
GIVE_TREE = ("give the tree", ("chown", TREE, OTHER, OTHER))
GIVE_PROGRAM = ("give the program", ("chown", PROGRAM, OTHER, OTHER))
OPEN_TREE = ("open the tree", ("chmod", TREE, 0o755))
CLEAR = ("clear the bits", ("chmod", PROGRAM, 0o755))
OPEN_DOOR = ("open the door", ("chmod", "door", 0o755))
ORDERS = {
    "top-down": (GIVE_TREE, GIVE_PROGRAM),
    "bottom-up": (GIVE_PROGRAM, GIVE_TREE),
    "opened, then bottom-up": (OPEN_TREE, GIVE_PROGRAM, GIVE_TREE),
    "top-down behind a door": (OPEN_TREE, GIVE_TREE, GIVE_PROGRAM, OPEN_DOOR),
    "cleared, then opened, then top-down": (CLEAR, OPEN_TREE, GIVE_TREE, GIVE_PROGRAM),
}
DAEMONS = {"CAP_CHOWN and CAP_DAC_READ_SEARCH": ("CHOWN", "DAC_READ_SEARCH"), "CAP_CHOWN": ("CHOWN",), "no capability": ()}


def expected(order, daemon):
    """A model of who owns what, and what that lets the client reach."""
    may_chown = "CHOWN" in DAEMONS[daemon]
    state = {"door": 0o700 if "door" in order else 0o755, TREE: [OWNER, 0o700], PROGRAM: [OWNER, 0o4755]}
    steps = {}
    for name, (call, path, *rest) in ORDERS[order]:
        shut_out = path == PROGRAM and state[TREE] == [OTHER, 0o700] and "DAC_READ_SEARCH" not in DAEMONS[daemon]
        result = "EACCES" if shut_out else "ok" if call == "chmod" or may_chown else "EPERM"
        if path == "door":
            state["door"] = rest[0]
        elif call == "chmod":
            state[path][1] = rest[0]
        elif result == "ok":
            state[path] = [rest[0], state[path][1] & (0o777 if path == PROGRAM else 0o7777)]
        steps[name] = {"result": result, "client": reached(state)}
    return steps


def reached(state):
    owner, mode = state[TREE]
    closed = state["door"] == 0o700 or (owner != OTHER and mode == 0o700)
    return "EACCES" if closed else spelled(state[PROGRAM][1], state[PROGRAM][0])


def spelled(mode, uid):
    return "program: %05o %s" % (mode, user_name(uid))


CASE = Case(
    claim="A set-id program in a tree that is given away is in the client's reach before it loses its bits if the tree is given"
          " or opened first; bottom-up, behind a private directory, or after chmod it is not.",
    cites=(
        "path_resolution(7), 'Step 2: walk along the path'",
        "chown(2), 'DESCRIPTION'",
        "chown_common() in fs/open.c",
    ),
    params={"order": tuple(ORDERS), "daemon": tuple(DAEMONS)},
    shown_with={"order": "top-down", "daemon": "CAP_CHOWN"},
    expect=expected,
    needs=("root",),
)


def observe(lab, order, daemon):
    lab.mkdir("door", 0o755)
    lab.mkdir(TREE, 0o700)
    lab.file(PROGRAM, 0o4755, OWNER, GROUP)
    for path in (TREE, "door"):
        lab.chown(path, OWNER, GROUP)
    lab.chmod("door", 0o700 if "door" in order else 0o755)
    held = [getattr(CAP, name) for name in DAEMONS[daemon]]
    process = lab.become(lab.fork("daemon"), OWNER, GROUP, (), held)
    client = lab.become(lab.fork("client"), OTHER, OTHER)
    steps = {}
    for name, call in ORDERS[order]:
        result = process.batch([call])[0]
        reach = client.attempt.access(PROGRAM, X_OK)
        now = lab.status(PROGRAM)
        steps[name] = {"result": result, "client": spelled(int(now["mode"], 8), now["uid"]) if reach == "ok" else reach}
    return steps
