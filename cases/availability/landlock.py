"""Landlock lets any process give up rights to files for itself and its children (5.13); an ABI number says what it covers.

It is the sandbox that needs no privilege and no namespace: a ruleset names the kinds of access that are handled, all of
which are then denied but where a rule allows them. The caller must have set no_new_privs, or have CAP_SYS_ADMIN; EPERM else.
The ABI number rises when a kind of access is added: a program asks for it and handles what both know. An access
that the kernel does not know is EINVAL, not ignored.

The case handles writing to files and allows none: open for writing is EACCES then, wherever, also for root, while reading and
a descriptor that was open before are not touched.
"""

from ksem.guest.case import Case, Rule, Unsupported
from ksem.guest.flags import PR, O
from ksem.guest.lab import GROUP, OWNER

VERSION = 1
WRITE_FILE = 1 << 1
SIZE = 8


def expected(abi):
    return {
        "ABI": abi,
        "unknown access": "EINVAL",
        "without no_new_privs": "EPERM",
        "restrict": "ok",
        "write": "EACCES",
        "read": "ok",
        "write by an older descriptor": "ok",
        "process that is not restricted": "ok",
    }


ABSENT = {"ABI": "ENOSYS", "unknown access": "ENOSYS"}

CASE = Case(
    claim="Any process can restrict its own access to files with Landlock (5.13), whose ABI number grew from 1 to 7 (6.15)"
          " and on.",
    cites=("landlock(7), landlock_create_ruleset(2)", "265885daf3e5 (\"landlock: Add syscall implementations\"), 5.13"),
    expect=(
        Rule(expected(11), since="7.3", cites="landlock_abi_version in security/landlock/syscalls.c, 7.3"),
        Rule(expected(10), since="7.2", cites="landlock_abi_version in security/landlock/syscalls.c, 7.2"),
        Rule(expected(9), since="7.1", cites="landlock_abi_version in security/landlock/syscalls.c, 7.1"),
        Rule(expected(8), since="7.0", cites="landlock_abi_version in security/landlock/syscalls.c, 7.0"),
        Rule(expected(7), since="6.15", cites="landlock(7), 'VERSIONS': logging, 6.15"),
        Rule(expected(6), since="6.12", cites="landlock(7), 'VERSIONS': signals and abstract sockets, 6.12"),
        Rule(expected(5), since="6.10", cites="landlock(7), 'VERSIONS': ioctl, 6.10"),
        Rule(expected(4), since="6.7", cites="landlock(7), 'VERSIONS': TCP, 6.7"),
        Rule(expected(3), since="6.2", cites="landlock(7), 'VERSIONS': truncate, 6.2"),
        Rule(expected(2), since="5.19", cites="landlock(7), 'VERSIONS': refer, 5.19"),
        Rule(expected(1), since="5.13", cites="265885daf3e5 (\"landlock: Add syscall implementations\"), 5.13"),
        Rule(ABSENT),
    ),
    needs=("root",),
    options=("CONFIG_SECURITY_LANDLOCK",),
)


def observe(lab):
    lab.file("file", 0o666)
    abi, error = lab.issue("landlock_create_ruleset", [None, 0, VERSION])
    if error == "EOPNOTSUPP":
        raise Unsupported("Landlock is built in, but not among the security modules that are on")
    unknown = lab.attempt.landlock_create_ruleset({"handled_access_fs": 1 << 60}, SIZE, 0)
    seen = {"ABI": error or abi, "unknown access": unknown}
    if error is None:
        process = lab.become(lab.fork("process"), OWNER, GROUP)
        seen.update(restricted(process))
        seen["process that is not restricted"] = lab.try_open("file", O.WRONLY)
    return seen


def restricted(process):
    older = process.open("file", O.WRONLY, 0)
    ruleset = process.landlock_create_ruleset({"handled_access_fs": WRITE_FILE}, SIZE, 0)
    names = ("without no_new_privs", "no_new_privs", "restrict", "write", "read", "write by an older descriptor")
    outcomes = process.batch([
        ("landlock_restrict_self", ruleset, 0), ("prctl", PR.SET_NO_NEW_PRIVS, 1), ("landlock_restrict_self", ruleset, 0),
        ("try_open", "file", O.WRONLY), ("try_open", "file", 0), ("write", older, "x", 1)])
    return {name: outcome for name, outcome in zip(names, outcomes) if name != "no_new_privs"}
