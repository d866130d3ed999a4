"""A socket names its peer with the reader's ids: an unmapped one is the overflow user, and nobody can claim to be unmapped.

Daemons recognise their clients by SO_PEERCRED or SCM_CREDENTIALS. The kernel keeps the real user of a peer, and translates
it for whoever asks, when it asks. So a daemon outside sees which user a sandbox belongs to, however that calls itself; a
process inside sees the overflow user for the machine's root and for everybody else who is not mapped. It must not take that
number for a user: all of them look alike.

SO_PEERCRED is the effective user at the time of connect(2) or listen(2). SCM_CREDENTIALS carries what the sender names, and
the sender may name only its own ids, unless it has CAP_SETUID or CAP_SETGID in its namespace: those reach any id that is
mapped there. An id without mapping is EINVAL, the overflow id too. A message without them brings the sender's
real user.
"""

from ksem.guest.case import Case
from ksem.guest.flags import AF, SO, SOCK, SOL
from ksem.guest.lab import GROUP, OTHER, OVERFLOW, OWNER, user_name

# Which ids a process has, and the numbers of users and groups that its namespace knows.
PROCESSES = {
    "root": ((0, 0), None),
    "user": ((OWNER, GROUP), None),
    "root of one id": ((OWNER, GROUP), ({0: OWNER}, {0: GROUP})),
    "root of two ids": ((OWNER, GROUP), ({0: OWNER, 1: OTHER}, {0: GROUP, 1: OTHER})),
    "somebody without a map": ((OWNER, GROUP), ({}, {})),
}
PAIRS = (("root", "root of one id"), ("root of one id", "root"), ("root of one id", "user"), ("root of two ids", "root"),
         ("somebody without a map", "root"), ("root", "somebody without a map"), ("user", "root of one id"))
# Ids as the sender says them, user and group.
NAMED = {"0": (0, 0), "1": (1, 1), "the owner's numbers": (OWNER, GROUP), "the overflow ids": (OVERFLOW, OVERFLOW)}


def expected(server, client):
    (real, maps) = PROCESSES[client]
    named = {}
    for name, ids in NAMED.items():
        sent = [outside(maps, place, one) for place, one in enumerate(ids)]
        if None in sent:
            named[name] = "EINVAL"
        elif tuple(sent) == real or client in ("root", "root of two ids"):
            named[name] = shown(server, sent)
        else:
            named[name] = "EPERM"
    return {"SO_PEERCRED for the server": shown(server, real),
            "SO_PEERCRED for the client": shown(client, PROCESSES[server][0]),
            "SCM_CREDENTIALS unasked": shown(server, real), "SCM_CREDENTIALS named": named}


def outside(maps, place, number):
    if maps is None:
        # Where everything is mapped, the overflow id is an id like any other.
        return number
    return maps[place].get(number)


def shown(reader, ids):
    maps = PROCESSES[reader][1]
    return "%s:%s" % tuple(user_name(one) if maps is None and one != OVERFLOW else name_inside(maps, place, one)
                           for place, one in enumerate(ids))


def name_inside(maps, place, one):
    return next((user_name(number) for number, real in (maps or ({}, {}))[place].items() if real == one), OVERFLOW)


CASE = Case(
    claim="SO_PEERCRED and SCM_CREDENTIALS show a peer with the reader's ids, unmapped ones as the overflow id; to send an id"
          " without mapping is EINVAL.",
    cites=(
        "unix(7), SO_PEERCRED and SCM_CREDENTIALS",
        "user_namespaces(7), 'Unmapped user and group IDs'",
        "__scm_send(), scm_check_creds() and scm_recv() in net/core/scm.c and include/net/scm.h, cred_to_ucred() in"
        " net/core/sock.c",
    ),
    params={"server": tuple(PROCESSES), "client": tuple(PROCESSES)},
    where=lambda server, client: (server, client) in PAIRS,
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
)


def observe(lab, server, client):
    lab.chmod(".", 0o777)
    overflow = lab.overflow_ids()
    first, second = make(lab, server, "server"), make(lab, client, "client")
    listening = first.socket(AF.UNIX, SOCK.STREAM, 0)
    first.values([("bind", listening, "door"), ("listen", listening, 1)])
    lab.chmod("door", 0o777)
    connected = second.socket(AF.UNIX, SOCK.STREAM, 0)
    second.connect(connected, "door")
    accepted = first.accept4(listening, 0)
    observation = {"SO_PEERCRED for the server": spelled(first.getsockopt(accepted, SOL.SOCKET, SO.PEERCRED), overflow),
                   "SO_PEERCRED for the client": spelled(second.getsockopt(connected, SOL.SOCKET, SO.PEERCRED), overflow)}
    first.setsockopt(accepted, SOL.SOCKET, SO.PASSCRED)
    second.write(connected, "x", 1)
    observation["SCM_CREDENTIALS unasked"] = spelled(first.recvmsg(accepted, 0), overflow)
    observation["SCM_CREDENTIALS named"] = {name: sent(first, accepted, second, connected, ids, overflow)
                                            for name, ids in NAMED.items()}
    return observation


def make(lab, name, role):
    (user, group), maps = PROCESSES[name]
    if user == 0:
        return lab
    return lab.mapped(role, *maps) if maps is not None else lab.become(lab.fork(role), user, group)


def sent(receiver, accepted, sender, connected, ids, overflow):
    uid, gid = (overflow[place] if one == OVERFLOW else one for place, one in enumerate(ids))
    result = sender.attempt.sendmsg(connected, {"uid": uid, "gid": gid}, 0)
    return spelled(receiver.recvmsg(accepted, 0), overflow) if result == "ok" else result


def spelled(ids, overflow):
    return "%s:%s" % (user_name(ids["uid"], overflow[0]), user_name(ids["gid"], overflow[1]))
