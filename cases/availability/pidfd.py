"""A descriptor can stand for a process: to take descriptors from it, to enter its namespaces, and to know a socket's peer.

A process id may belong to another process when it is used; a pidfd never does. pidfd_open(2) came with 5.3, pidfd_getfd(2),
which copies a descriptor out of the process, with 5.6, setns(2) into several of its namespaces at once with 5.8. SO_PEERPIDFD,
6.5, gives the process at the other end of a socket, where SO_PEERCRED gives a number; before, ENOPROTOOPT.

Any process may have a pidfd of any other that it sees. To copy a descriptor takes the right to trace it: an ordinary user gets
EPERM from root's process. To enter its mount namespace takes CAP_SYS_ADMIN there: EPERM.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import AF, CLONE, SO, SOCK, SOL, O
from ksem.guest.lab import GROUP, OWNER


def expected(peer):
    return {
        "root": {"pidfd_open": "ok", "pidfd_getfd": "ok", "read the file behind it": "ok",
                 "of a number that is not open": "EBADF", "unknown flag": "EINVAL", "setns": "ok",
                 "file in its namespace": "ok"},
        "ordinary user": {"pidfd_open": "ok", "pidfd_getfd": "EPERM", "of a number that is not open": "EPERM",
                          "unknown flag": "EINVAL", "setns": "EPERM", "file in its namespace": "ENOENT"},
        "SO_PEERPIDFD": "ok" if peer else "ENOPROTOOPT",
        "descriptor by it": "ok" if peer else "not tried",
    }


CASE = Case(
    claim="pidfd_open, pidfd_getfd (5.6) and setns (5.8) work on a process by descriptor; SO_PEERPIDFD gives a peer's (6.5).",
    cites=(
        "pidfd_open(2), pidfd_getfd(2), setns(2), 'DESCRIPTION'",
        "8649c322f75c (\"pid: Implement pidfd_getfd syscall\"), 5.6",
        "303cc571d107 (\"nsproxy: attach to namespaces via pidfds\"), 5.8",
    ),
    expect=(
        Rule(expected(peer=True), since="6.5", cites="7b26952a91cf (\"net: core: add getsockopt SO_PEERPIDFD\"), 6.5"),
        Rule(expected(peer=False)),
    ),
    needs=("root",),
)


def observe(lab):
    lab.mkdir("place", 0o755)
    # The children keep the mount namespace as it was; the lab goes to another, where there is one more mount.
    users = {"root": lab.fork("root"), "ordinary user": lab.become(lab.fork("user"), OWNER, GROUP)}
    lab.unshare(CLONE.NEWNS)
    lab.mount("place", "place", "tmpfs", 0, "mode=755")
    lab.file("place/file")
    held = lab.open("place/file", 0, 0)
    seen = {name: by(process, held) for name, process in users.items()}
    pair = lab.socketpair(AF.UNIX, SOCK.STREAM, 0)
    peer, error = lab.issue("getsockopt", [pair[0], SOL.SOCKET, SO.PEERPIDFD])
    seen["SO_PEERPIDFD"] = error or "ok"
    seen["descriptor by it"] = "not tried" if error else lab.attempt.pidfd_getfd(peer, held, 0)
    return seen


def by(process, held):
    pidfd, error = process.issue("pidfd_open", ["parent", 0])
    copy, refused = process.issue("pidfd_getfd", [pidfd, held, 0])
    seen = {"pidfd_open": error or "ok", "pidfd_getfd": refused or "ok"}
    if not refused:
        seen["read the file behind it"] = process.batch([("read", copy, 1)])[0]
    names = ("of a number that is not open", "unknown flag", "setns", "file in its namespace")
    seen.update(zip(names, process.batch([
        ("pidfd_getfd", pidfd, 150, 0), ("pidfd_getfd", pidfd, held, 1), ("setns", pidfd, CLONE.NEWNS | CLONE.NEWUTS),
        ("try_open", "/tmp/place/file", O.CLOEXEC)])))
    return seen
