"""Writing a map takes the rights of whoever opened the file and of whoever writes it.

A descriptor can be handed to a privileged program: a user opens uid_map and runs a setuid program with it as its output.
So capabilities must be held by both, and opening as root to write as somebody else does not help either. What needs no
privilege is asked of the opener alone: the map of one's own id may be written by anybody whom the descriptor is
given to, but not one that was opened as root, as root is not the user who made the namespace.

The process here switches its effective user between the two, as a setuid program may.
"""

from ksem.guest.case import Case
from ksem.guest.flags import CLONE, O
from ksem.guest.lab import GROUP, OTHER, OWNER

USERS = {"root": 0, "the owner": OWNER}
TEXTS = {"two ids": "0 %d 1\n1 %d 1\n" % (OWNER, OTHER), "the owner's id": "0 %d 1\n" % OWNER}


def expected(opener, writer):
    if opener == writer == "root":
        return {"two ids": "ok", "the owner's id": "EINVAL", "lines": 2}
    own = opener == "the owner"
    return {"two ids": "EPERM", "the owner's id": "ok" if own else "EPERM", "lines": 1 if own else 0}


CASE = Case(
    claim="A privileged map needs the capability at open and at write; the map of one's own id is judged by who opened it.",
    cites=(
        "user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map'",
        "new_idmap_permitted() and map_write() in kernel/user_namespace.c: file_ns_capable() and f_cred",
    ),
    params={"opener": tuple(USERS), "writer": tuple(USERS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="user_namespaces(7) tells the rules for the writing process; that they hold for the opener as well is not said.",
)


def observe(lab, opener, writer):
    process = lab.become(lab.fork("inside", apart=True), OWNER, GROUP)
    process.unshare(CLONE.NEWUSER)
    path = "/proc/%d/uid_map" % process.pid
    lab.setresuid(-1, USERS[opener], -1)
    descriptor = lab.open(path, O.WRONLY, 0)
    lab.setresuid(-1, USERS[writer], -1)
    observation = {name: lab.attempt.write(descriptor, text, len(text)) for name, text in TEXTS.items()}
    observation["lines"] = len(lab.read_file(path).splitlines())
    return observation
