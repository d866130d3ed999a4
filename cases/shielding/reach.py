"""A directory that only its owner may enter keeps a set-id program from others, except from those who hold a way past it.

Permission to search is asked of each directory that a path walks through, and of no other. So 0700 on one directory above
shields all that is beneath, whatever modes it has, from every path that leads through that directory; its mode for others
may be 0711 and it shields nothing. Who holds something beneath it does not walk through it: a descriptor of the program,
also with O_PATH, a descriptor of a directory further down, a working directory or a root there, one's own or that of
another process in /proc, a hard link outside, a bind mount of what is beneath. A descriptor of the shield itself, a working
directory in it, or a bind mount of it, leads nowhere: there the search begins with the shield.

A shield therefore has to be there first, before anybody can take such a handle; closed later it comes too late. Clearing the
set-id bits needs no such care: afterwards every way leads to a harmless program.

0000 is no stronger than 0700 for others, and shuts out the owner; CAP_DAC_READ_SEARCH passes all of them.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CAP, MS, O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name

MODES = ("0755", "0711", "0700", "0000")
CALLERS = {"client": (OTHER, ()), "owner": (OWNER, ()), "CAP_DAC_READ_SEARCH": (OTHER, (CAP.DAC_READ_SEARCH,))}
# How a client opens its own handles, and the path of the program by each.
OPENED = {
    "descriptor of the program": ("shield/tree/program", 0, ""),
    "O_PATH descriptor of the program": ("shield/tree/program", O.PATH, ""),
    "descriptor of the tree": ("shield/tree", O.PATH, "/program"),
    "descriptor of the shield": ("shield", O.PATH, "/tree/program"),
}
THROUGH = ("path", "descriptor of the shield", "bind mount of the shield")
OTHERS_HANDLES = ("hard link", "bind mount of the tree", "bind mount of the program", "bind mount of the shield",
                  "/proc/PID/root", "/proc/PID/cwd")
HANDLES = ("path", *OPENED, "working directory", *OTHERS_HANDLES)


def expected(shield, taken, caller):
    mode = int(shield, 8)
    searched = bool(mode & 1) or (caller == "owner" and bool(mode & 0o100)) or caller == "CAP_DAC_READ_SEARCH"
    table = {}
    for handle in HANDLES:
        # What others hold was taken by those who may.
        own = handle in OPENED or handle == "working directory"
        reached = searched or (handle not in THROUGH and (not own or taken == "before the shield closed"))
        if not reached and own and handle != "descriptor of the shield" and taken == "after":
            table[handle] = "not to be had: EACCES"
        else:
            table[handle] = "as owner" if reached else "EACCES"
    cleared = {handle: "as " + user_name(CALLERS[caller][0]) for handle, said in table.items() if said == "as owner"}
    return {"set-id": table, "bits cleared": cleared}


CASE = Case(
    claim="A 0700 directory above a set-id program keeps others from every path through it, but not from descriptors, working"
          " directories, roots, hard links and bind mounts that lead beneath it.",
    cites=(
        "path_resolution(7), 'Step 2: walk along the path' and 'Permissions'",
        "open(2), O_PATH; proc(5), /proc/pid/cwd, /proc/pid/fd/ and /proc/pid/root",
        "may_lookup() in fs/namei.c: asked of the directory that is searched, not of those above",
        "capabilities(7), CAP_DAC_READ_SEARCH",
    ),
    params={"shield": MODES, "taken": ("before the shield closed", "after"), "caller": tuple(CALLERS)},
    shown_with={"shield": "0700", "taken": "after", "caller": "client"},
    where=lambda shield, taken, caller: caller == "client" or (shield in ("0700", "0000") and taken == "after"),
    expect=expected,
    needs=("root",),
    survivors={
        'drop chown("shield/tree"*': "All may enter it; who may come there is up to the shield.",
    },
)


def observe(lab, shield, taken, caller):
    build(lab)
    paths = others_handles(lab, CALLERS[caller][0])
    process = lab.become(lab.fork("caller"), CALLERS[caller][0], CALLERS[caller][0], (), CALLERS[caller][1])
    if taken == "before the shield closed":
        own = take(process)
        lab.chmod("shield", int(shield, 8))
    else:
        lab.chmod("shield", int(shield, 8))
        own = take(process)
    paths.update(own)
    first = run(process, paths)
    lab.chmod("shield/tree/program", 0o755)
    ran = [name for name in HANDLES if first[name].startswith("as ")]
    return {"set-id": first, "bits cleared": run(process, paths, ran)}


def build(lab):
    for path in ("shield", "shield/tree"):
        lab.mkdir(path, 0o755)
    lab.program("shield/tree/program", 0o4755, OWNER, GROUP)
    lab.chown("shield/tree", OWNER, GROUP)
    lab.chown("shield", OWNER, GROUP)


def others_handles(lab, user):
    """What root, or a process that is in there already, has made: absolute, as the caller may have gone elsewhere."""
    lab.link("shield/tree/program", "linked")
    lab.bind("shield/tree", "tree bound")
    lab.bind("shield", "shield bound")
    lab.file("program bound")
    lab.mount("shield/tree/program", "program bound", None, MS.BIND, None)
    inside = lab.fork("inside")
    inside.values([("chdir", "shield/tree"), ("chroot", ".")])
    # No process may look into one of another user.
    lab.become(inside, user, user)
    return {"path": "/tmp/shield/tree/program", "hard link": "/tmp/linked", "bind mount of the tree": "/tmp/tree bound/program",
            "bind mount of the program": "/tmp/program bound", "bind mount of the shield": "/tmp/shield bound/tree/program",
            "/proc/PID/root": "/proc/%d/root/program" % inside.pid, "/proc/PID/cwd": "/proc/%d/cwd/program" % inside.pid}


def take(process):
    """The caller's own handles: the program's path by each, or why there is none."""
    paths = {}
    for name, (path, flags, rest) in OPENED.items():
        value, error = process.issue("open", [path, flags, 0])
        paths[name] = (error,) if error else "/proc/self/fd/%d%s" % (value, rest)
    error = process.attempt.chdir("shield/tree")
    paths["working directory"] = "program" if error == "ok" else (error,)
    return paths


def run(process, paths, names=HANDLES):
    """A path is run; what is no path says why it is none."""
    wanted = [name for name in names if isinstance(paths[name], str)]
    answers = dict(zip(wanted, process.batch([("run_program", paths[name]) for name in wanted])))
    found = {name: "not to be had: %s" % paths[name] for name in names if name not in wanted}
    for name, answer in answers.items():
        found[name] = answer if isinstance(answer, str) else "as " + user_name(answer["euid"])
    return found
