"""While a tree is given to a client, a set-id program in it is exposed in all orders of steps but those that shield it.

A build leaves a tree whose top is 0700 and in which some program has S_ISUID set: as long as it belongs to the builder,
whoever runs it becomes the builder. The daemon wants the tree to end up readable and the client's. After each of its
steps the client tries to run the program.

- chmod 0755 on the top before chown is a window. With CAP_CHOWN it closes when the program is chowned, which clears
  its bits. Without, every chown fails, the bits stay, and the window is open for ever.
- Top-down, without that chmod, opens one too: the new owner of the top enters at once. It is worse than it looks, for
  nobody but the client can enter then: the daemon with CAP_CHOWN alone gets EACCES on what is beneath, and never
  comes to clear the bits.
- Bottom-up has no window where chown is permitted. Where it is not, the tree stays closed as long as nobody opens its top.
- A directory above the tree that only the daemon may enter, opened last, hides all of this, in any order; the daemon has
  to look at the outcome of each chown before it opens it.
- Clearing the bits by chmod first makes the order meaningless, with or without CAP_CHOWN.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

# A step: the call, its path in the tree of that caller, and the rest of its arguments.
OPEN = ("chmod", "shield/top", 0o755)
TOP = ("chown", "shield/top", OTHER, OTHER)
BELOW = ("chown", "shield/top/program", OTHER, OTHER)
CLEAR = ("chmod", "shield/top/program", 0o755)
UNSHIELD = ("chmod", "shield", 0o755)
ORDERS = {
    "chmod, chown top-down": (OPEN, TOP, BELOW),
    "chmod, chown bottom-up": (OPEN, BELOW, TOP),
    "chown top-down": (TOP, BELOW),
    "chown bottom-up, chmod": (BELOW, OPEN, TOP),
    "chown bottom-up": (BELOW, TOP),
    "bits cleared first": (CLEAR, OPEN, TOP, BELOW),
    "shielded, chmod, chown top-down": (OPEN, TOP, BELOW, UNSHIELD),
    "shielded, chown bottom-up": (BELOW, TOP, UNSHIELD),
}
CALLERS = {"root": None, "CAP_CHOWN": [CAP.CHOWN], "owner": []}


def expected(order):
    return {caller: given(order, caller) for caller in CALLERS}


def given(order, caller):
    """The modes and owners after each step, and what follows from them."""
    shield = 0o700 if order.startswith("shielded") else 0o755
    top, program = [OWNER, 0o700], [OWNER, 0o4755]
    seen = [client_runs(shield, top, program)]
    for call, path, *new in ORDERS[order]:
        target = {"shield/top": top, "shield/top/program": program}.get(path)
        reached = caller == "root" or path != "shield/top/program" or top[0] == OWNER or bool(top[1] & 1)
        result = "ok"
        if not reached:
            result = "EACCES"
        elif (call == "chown" and caller == "owner") or (target and target[0] != OWNER and caller != "root"):
            result = "EPERM"
        elif path == "shield":
            shield = new[0]
        elif call == "chmod":
            target[1] = new[0]
        else:
            target[0] = new[0]
            target[1] &= ~0o4000 if target is program else -1
        seen.append("%s %s: %s, %s" % (call, path, result, client_runs(shield, top, program)))
    return {"steps": seen, "program": "%05o %s" % (program[1], user_name(program[0]))}


def client_runs(shield, top, program):
    enters = shield & 1 and (top[1] & 1 or (top[0] == OTHER and top[1] & 0o100))
    if not enters:
        return "client: EACCES"
    return "client: runs as " + user_name(program[0] if program[1] & 0o4000 else OTHER)


CASE = Case(
    claim="Between opening a build tree and the chown of what is in it, and for ever if chown is not permitted, its set-id"
          " programs can be run; a 0700 directory above it, or clearing the bits first, closes that.",
    cites=(
        "chown(2), 'DESCRIPTION' and 'ERRORS', EPERM",
        "path_resolution(7), 'Permissions'",
        "execve(2), 'DESCRIPTION': set-user-ID bit, no_new_privs and nosuid",
        "chown_common() in fs/open.c; bprm_fill_uid() in fs/exec.c",
    ),
    params={"order": tuple(ORDERS)},
    shown_with={"order": "chmod, chown top-down"},
    expect=expected,
    needs=("root",),
    survivors={
        'drop chown("*/shield/top", *': "The directory is closed to the client whoever of the others it belongs to.",
        'drop chown("root/shield", *': "Root need not own what it closes.",
    },
)


def observe(lab, order):
    client = lab.become(lab.fork("client"), OTHER, OTHER)
    table = {}
    for name, capabilities in CALLERS.items():
        build(lab, name, shielded=order.startswith("shielded"))
        daemon = lab if capabilities is None else lab.become(lab.fork(name), OWNER, GROUP, (), capabilities)
        seen = [look(client, name)]
        for call, path, *rest in ORDERS[order]:
            result = daemon.batch([(call, name + "/" + path, *rest)])[0]
            seen.append("%s %s: %s, %s" % (call, path, result, look(client, name)))
        now = lab.status(name + "/shield/top/program")
        table[name] = {"steps": seen, "program": "%s %s" % (now["mode"], user_name(now["uid"]))}
    return table


def build(lab, name, shielded):
    for path, mode in ((name, 0o755), (name + "/shield", 0o755), (name + "/shield/top", 0o700)):
        lab.mkdir(path, mode)
    lab.program(name + "/shield/top/program", 0o4755, OWNER, GROUP)
    for path in ("/shield/top", "/shield"):
        lab.chown(name + path, OWNER, GROUP)
    if shielded:
        lab.chmod(name + "/shield", 0o700)


def look(client, name):
    answer = client.batch([("run_program", name + "/shield/top/program")])[0]
    return "client: " + (answer if isinstance(answer, str) else "runs as " + user_name(answer["euid"]))
