"""System calls by name: builtin values go in, a builtin value or the name of an errno comes out.

Contract: the standard library, `flags`, `structures`, `executor`. SIGNATURES is the whole list: one entry makes a call
usable from a case, recorded in its trace and known to whoever reads the trace. Signatures follow section 2 of the
manual, and the calls are raw: what libc makes of them is no kernel's behaviour.
"""

import struct
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from ksem.guest import flags
from ksem.guest import structures as of
from ksem.guest.executor import Outcome, Step, Task
from ksem.guest.numbers import NUMBERS
from ksem.guest.structures import Flags as _Flags
from ksem.guest.structures import Kind
from ksem.guest.structures import Output as _Output
from ksem.guest.structures import Text as _Text

_GETPID = 39
# Calls that return nothing but whether they succeeded: one that must succeed can wait for the turn of the next.
SILENT = frozenset((
    "mount umount2 pivot_root move_mount mount_setattr setns chroot chdir fchdir mkdir mkdirat rmdir unlink rename link "
    "linkat renameat2 symlink mknod close truncate ftruncate fallocate setxattr setxattrat removexattr chmod fchmod "
    "fchmodat2 utimensat utimes chown lchown fchown fchownat bind connect listen setsockopt setresuid setresgid setgroups "
    "capset fsconfig file_setattr landlock_restrict_self fchroot unshare"
).split())


class _Enum(Kind):
    def __init__(self, names: type) -> None:
        self.names = names

    def show(self, value: Any) -> str:
        return flags.name_of(value, self.names)


class _Mode(Kind):
    """Permission bits, in octal; for mknod the file's type too."""

    def show(self, value: Any) -> str:
        kind = value & 0o170000
        named = [name for name, bits in flags.members(flags.S).items() if bits == kind] if kind else []
        return "|".join(named + ["0%03o" % (value & 0o7777)])


class _Directory(Kind):
    """A descriptor to start a path from, or AT_FDCWD."""

    def show(self, value: Any) -> str:
        return "AT_FDCWD" if value == flags.AT_FDCWD else str(value)


class _Ids(Kind):
    """A list of group ids; C takes its length first."""

    def pack(self, value: Any, task: Task) -> int:
        return task.arena.put(struct.pack("=%dI" % len(value), *value))

    def show(self, value: Any) -> str:
        return "{%s}" % ", ".join(str(one) for one in value)


class _MountAttr(Kind):
    """struct mount_attr as a dict with `attr_set`, `attr_clr`, `propagation`, `userns_fd`."""

    fields = ("attr_set", "attr_clr", "propagation", "userns_fd")

    def pack(self, value: Any, task: Task) -> int:
        if not set(value) <= set(self.fields):
            raise TypeError("struct mount_attr has %s, not %s" % (", ".join(self.fields), ", ".join(value)))
        return task.arena.put(struct.pack("=4Q", *(value.get(name, 0) for name in self.fields)))

    def show(self, value: Any) -> str:
        kinds = {"propagation": flags.MS, "userns_fd": None}
        parts = []
        for name in self.fields:
            if value.get(name):
                prefix = kinds.get(name, flags.MOUNT_ATTR)
                parts.append(".%s = %s" % (name, flags.spell(value[name], prefix) if prefix else value[name]))
        return "{%s}" % ", ".join(parts)


class _Capabilities(Kind):
    """The sets of capset(2) as a dict of lists with `effective`, `permitted`, `inheritable`."""

    def pack(self, value: Any, task: Task) -> int:
        words = [sum(1 << cap for cap in value.get(name, ()))
                 for name in ("effective", "permitted", "inheritable")]
        low = [word & 0xFFFFFFFF for word in words]
        high = [word >> 32 for word in words]
        return task.arena.put(struct.pack("=6I", *(low + high)))

    def show(self, value: Any) -> str:
        def names(name: str) -> str:
            return "|".join(flags.name_of(cap, flags.CAP) for cap in value[name]) or "0"
        return "{%s}" % ", ".join(".%s = %s" % (name, names(name)) for name in
                                  ("effective", "permitted", "inheritable") if name in value)


class _UnixAddress(Kind):
    """struct sockaddr_un of a path; C takes its size next."""

    def pack(self, value: Any, task: Task) -> int:
        return task.arena.put(struct.pack("=H108s", 1, value.encode()))

    def show(self, value: Any) -> str:
        return '{AF_UNIX, "%s"}' % value


class _Fixed(Kind):
    """An argument that is always the same: a number, or where some bytes lie."""

    given = False

    def __init__(self, value: Union[int, bytes], text: str) -> None:
        self.value = value
        self.text = text

    def pack(self, value: Any, task: Task) -> int:
        return self.value if isinstance(self.value, int) else task.arena.put(self.value)

    def show(self, value: Any) -> str:
        return self.text


class _SocketOption(_Output):
    """The value of an option: a number, or a struct ucred without the process id, which differs from run to run:
    {"uid": 0, "gid": 0}. The kernel fills in as much as the option has.
    """

    def pack(self, value: Any, task: Task) -> int:
        return task.arena.put(b"\xff" * self.size)

    def decode(self, data: bytes, returned: int) -> Any:
        first, uid, gid = struct.unpack_from("=iII", data)
        return first if data[4:] == b"\xff" * 8 else {"uid": uid, "gid": gid}


def _message(task: Task, pid: int = 0, uid: int = 0, gid: int = 0) -> int:
    """struct msghdr (0) with its iovec (56), one byte (72) and an SCM_CREDENTIALS (80), in one buffer."""
    start = task.arena.base + task.arena.top
    return task.arena.put(struct.pack("=7Q", 0, 0, start + 56, 1, start + 80, 32, 0) + struct.pack("=QQQ", start + 72, 1, 0)
                          + struct.pack("=QiiiIIxxxx", 28, 1, 2, pid, uid, gid))


class _SentCredentials(Kind):
    """A message of one byte with the caller's process id and these ids, {"uid": 0, "gid": 0}."""

    asks = True

    def pack(self, value: Any, task: Task) -> int:
        return _message(task, task.calls([(_GETPID,)])[0], value["uid"], value["gid"])

    def show(self, value: Any) -> str:
        return "{SCM_CREDENTIALS {getpid(), %d, %d}}" % (value["uid"], value["gid"])


class _ReceivedCredentials(_Output):
    """What such a message brings: {"uid": 0, "gid": 0}, or {} without credentials."""

    def pack(self, value: Any, task: Task) -> int:
        return _message(task)

    def decode(self, data: bytes, returned: int) -> Any:
        _, level, kind, _, uid, gid = struct.unpack_from("=QIIIII", data, 80)
        size = struct.unpack_from("=Q", data, 40)[0]
        return {"uid": uid, "gid": gid} if size and (level, kind) == (1, 2) else {}


class _Status(_Output):
    """struct statx: {"type": "file", "mode": "04755", "uid": 0, "gid": 0, "nlink": 1}."""

    types = {0o01: "fifo", 0o02: "chardev", 0o04: "directory", 0o06: "blockdev",
             0o10: "file", 0o12: "symlink", 0o14: "socket"}

    def decode(self, data: bytes, returned: int) -> Any:
        nlink, uid, gid, mode = struct.unpack_from("=IIIH", data, 16)
        return {"type": self.types.get(mode >> 12, "unknown"), "mode": "%05o" % (mode & 0o7777),
                "uid": uid, "gid": gid, "nlink": nlink}


INT, TEXT, MODE, DIRECTORY, IDS = Kind(), _Text(), _Mode(), _Directory(), _Ids()
_AT, _OPEN = _Flags(flags.AT), _Flags(flags.O)


class Signature(NamedTuple):
    """The arguments of a call in C's order."""

    arguments: Tuple[Tuple[str, Kind], ...]


def _call(*arguments: Tuple[str, Kind]) -> Signature:
    return Signature(arguments)


_PATH = ("path", TEXT)
_OWNER = (("owner", INT), ("group", INT))
_ATTR = (("dirfd", DIRECTORY), _PATH, ("flags", _Flags(flags.AT)), ("attr", _MountAttr()),
         ("size", _Fixed(32, "32")))
# For the caller itself, with sets of 64 bits.
_CAPABILITY_HEADER = _Fixed(struct.pack("=Ii", 0x20080522, 0), "{_LINUX_CAPABILITY_VERSION_3, 0}")
_ATTRIBUTE = (("dirfd", DIRECTORY), _PATH, ("flags", _AT), ("name", TEXT))
_HOW = of.Struct(("flags", "Q", flags.O), ("mode", "Q", None), ("resolve", "Q", flags.RESOLVE))
_FILE_ATTR = of.Struct(("fa_xflags", "Q", None), ("fa_extsize", "I", None), ("fa_nextents", "I", None),
                        ("fa_projid", "I", None), ("fa_cowextsize", "I", None))
_NAMESPACES = of.Struct(("size", "I", None), ("spare", "I", None), ("ns_id", "Q", None), ("ns_type", "I", flags.CLONE),
                      ("spare2", "I", None), ("user_ns_id", "Q", None))
_IDENTITIES = (("ids", of.Returned(8 * 256)), ("count", _Fixed(256, "256")), ("flags", INT))
_RULESET = of.Struct(("handled_access_fs", "Q", None))
_SOCKET_ADDRESS = (("fd", INT), ("address", _UnixAddress()), ("size", _Fixed(110, "110")))
_ZERO = _Fixed(0, "0")
_SOCKET_OPTION = (("fd", INT), ("level", _Enum(flags.SOL)), ("option", _Enum(flags.SO)))
_THREE_IDS = (("real", INT), ("effective", INT), ("saved", INT))

SIGNATURES: Dict[str, Signature] = {
    "mount": _call(("source", TEXT), ("target", TEXT), ("fstype", TEXT), ("flags", _Flags(flags.MS)), ("data", TEXT)),
    "umount2": _call(("target", TEXT), ("flags", _Flags(flags.MNT, flags.UMOUNT))),
    "pivot_root": _call(("new_root", TEXT), ("put_old", TEXT)),
    "open_tree": _call(("dirfd", DIRECTORY), _PATH,
                       ("flags", _Flags(flags.OPEN_TREE, flags.AT, flags.O))),
    "move_mount": _call(("from_dirfd", DIRECTORY), ("from_path", TEXT), ("to_dirfd", DIRECTORY),
                        ("to_path", TEXT), ("flags", _Flags(flags.MOVE_MOUNT))),
    "mount_setattr": _call(*_ATTR),
    "unshare": _call(("flags", _Flags(flags.CLONE, flags.UNSHARE))),
    "setns": _call(("fd", INT), ("nstype", _Flags(flags.CLONE))),
    # Made by `Process.clone` and as attempts, never as they stand here: they return twice.
    "clone": _call(("flags", of.CloneFlags(flags.CLONE)),
                   *((name, _ZERO) for name in ("stack", "parent_tid", "child_tid", "tls"))),
    "clone3": _call(("args", of.CloneArguments(flags.CLONE)), ("size", _Fixed(64, "64"))),
    "chroot": _call(_PATH),
    "chdir": _call(_PATH),
    "fchdir": _call(("fd", INT)),
    "mkdir": _call(_PATH, ("mode", MODE)),
    "mkdirat": _call(("dirfd", DIRECTORY), _PATH, ("mode", MODE)),
    "rmdir": _call(_PATH),
    "unlink": _call(_PATH),
    "rename": _call(("old", TEXT), ("new", TEXT)),
    "renameat2": _call(("old_dirfd", DIRECTORY), ("old", TEXT), ("new_dirfd", DIRECTORY), ("new", TEXT),
                       ("flags", _Flags(flags.RENAME))),
    "link": _call(("old", TEXT), ("new", TEXT)),
    "linkat": _call(("old_dirfd", DIRECTORY), ("old", TEXT), ("new_dirfd", DIRECTORY), ("new", TEXT), ("flags", _AT)),
    "symlink": _call(("target", TEXT), ("linkpath", TEXT)),
    "mknod": _call(_PATH, ("mode", MODE), ("device", INT)),
    "open": _call(_PATH, ("flags", _OPEN), ("mode", MODE)),
    "openat": _call(("dirfd", DIRECTORY), _PATH, ("flags", _OPEN), ("mode", MODE)),
    "close": _call(("fd", INT)),
    "read": _call(("fd", INT), ("buffer", _Output(4096)), ("count", INT)),
    "write": _call(("fd", INT), ("text", TEXT), ("count", INT)),
    "truncate": _call(_PATH, ("length", INT)),
    "ftruncate": _call(("fd", INT), ("length", INT)),
    "fallocate": _call(("fd", INT), ("mode", _Flags(flags.FALLOC_FL)), ("offset", INT), ("length", INT)),
    "copy_file_range": _call(("fd_in", INT), ("offset_in", _Fixed(0, "NULL")), ("fd_out", INT),
                             ("offset_out", _Fixed(0, "NULL")), ("length", INT), ("flags", INT)),
    "setxattr": _call(_PATH, ("name", TEXT), ("value", TEXT), ("size", INT), ("flags", INT)),
    "getxattr": _call(_PATH, ("name", TEXT), ("value", _Output(256)), ("size", _Fixed(256, "256"))),
    "chmod": _call(_PATH, ("mode", MODE)),
    "fchmod": _call(("fd", INT), ("mode", MODE)),
    "umask": _call(("mask", MODE)),
    "access": _call(_PATH, ("mode", INT)),
    "statx": _call(("dirfd", DIRECTORY), _PATH, ("flags", _AT), ("mask", INT), ("buffer", _Status(256))),
    "utimensat": _call(("dirfd", DIRECTORY), _PATH, ("times", _Fixed(0, "NULL")), ("flags", _AT)),
    "utimes": _call(_PATH, ("times", of.Times())),
    "removexattr": _call(_PATH, ("name", TEXT)),
    "chown": _call(_PATH, *_OWNER),
    "lchown": _call(_PATH, *_OWNER),
    "fchown": _call(("fd", INT), *_OWNER),
    "fchownat": _call(("dirfd", DIRECTORY), _PATH, *_OWNER, ("flags", _AT)),
    "socket": _call(("domain", _Enum(flags.AF)), ("type", _Enum(flags.SOCK)), ("protocol", INT)),
    "bind": _call(*_SOCKET_ADDRESS),
    "connect": _call(*_SOCKET_ADDRESS),
    "listen": _call(("fd", INT), ("backlog", INT)),
    "accept4": _call(("fd", INT), ("address", _Fixed(0, "NULL")), ("size", _Fixed(0, "NULL")), ("flags", INT)),
    "getsockopt": _call(*_SOCKET_OPTION, ("value", _SocketOption(12)), ("size", of.Scratch("=I", 12, "&(socklen_t){12}"))),
    "setsockopt": _call(*_SOCKET_OPTION, ("value", _Fixed(struct.pack("=I", 1), "&one")), ("size", _Fixed(4, "4"))),
    "sendmsg": _call(("fd", INT), ("message", _SentCredentials()), ("flags", INT)),
    "recvmsg": _call(("fd", INT), ("message", _ReceivedCredentials(112)), ("flags", INT)),
    "getuid": _call(),
    "geteuid": _call(),
    "getgid": _call(),
    "getegid": _call(),
    "setresuid": _call(*_THREE_IDS),
    "setresgid": _call(*_THREE_IDS),
    "setgroups": _call(("size", INT), ("list", IDS)),
    "capset": _call(("header", _CAPABILITY_HEADER), ("data", _Capabilities())),
    "fsopen": _call(("fstype", TEXT), ("flags", INT)),
    "fsconfig": _call(("fd", INT), ("cmd", _Enum(flags.FSCONFIG)), ("key", TEXT), ("value", TEXT), ("aux", INT)),
    "fsmount": _call(("fd", INT), ("flags", _Flags(flags.FSMOUNT)), ("attributes", _Flags(flags.MOUNT_ATTR))),
    "fspick": _call(("dirfd", DIRECTORY), _PATH, ("flags", INT)),
    "open_tree_attr": _call(("dirfd", DIRECTORY), _PATH, ("flags", _Flags(flags.OPEN_TREE, flags.AT, flags.O)), *_ATTR[3:]),
    "statmount": _call(("req", of.MountRequest()), ("buffer", of.Mount(4096)), ("size", _Fixed(4096, "4096")), ("flags", INT)),
    "listmount": _call(("req", of.MountRequest()), *_IDENTITIES),
    "listns": _call(("req", _NAMESPACES), *_IDENTITIES),
    "name_to_handle_at": _call(("dirfd", DIRECTORY), _PATH, ("handle", of.Scratch("=I132x", 128, "{.handle_bytes = 128}")),
                               ("mount_id", of.UniqueId(8)), ("flags", INT)),
    "openat2": _call(("dirfd", DIRECTORY), _PATH, ("how", _HOW), ("size", _Fixed(24, "24"))),
    "faccessat2": _call(("dirfd", DIRECTORY), _PATH, ("mode", INT), ("flags", INT)),
    "fchmodat2": _call(("dirfd", DIRECTORY), _PATH, ("mode", MODE), ("flags", _AT)),
    "file_getattr": _call(("dirfd", DIRECTORY), _PATH, ("attr", of.FileAttributes(24)), ("size", _Fixed(24, "24")),
                          ("flags", _AT)),
    "file_setattr": _call(("dirfd", DIRECTORY), _PATH, ("attr", _FILE_ATTR), ("size", _Fixed(24, "24")), ("flags", _AT)),
    "setxattrat": _call(*_ATTRIBUTE, ("args", of.AttributesToSet()), ("size", _Fixed(16, "16"))),
    "getxattrat": _call(*_ATTRIBUTE, ("args", of.Attributes()), ("size", _Fixed(16, "16"))),
    "close_range": _call(("first", INT), ("last", INT), ("flags", _Flags(flags.CLOSE_RANGE))),
    "memfd_create": _call(("name", TEXT), ("flags", _Flags(flags.MFD))),
    "fcntl": _call(("fd", INT), ("cmd", INT), ("argument", INT)),
    "ioctl": _call(("fd", INT), ("request", _Enum(flags.IOCTL)), ("argument", of.IoctlNumber(8))),
    "execveat": _call(("dirfd", DIRECTORY), _PATH, ("argv", _Fixed(0, "NULL")), ("envp", _Fixed(0, "NULL")), ("flags", _AT)),
    "fanotify_init": _call(("flags", INT), ("event_f_flags", INT)),
    "fanotify_mark": _call(("fd", INT), ("flags", INT), ("mask", INT), ("dirfd", DIRECTORY), _PATH),
    "pidfd_open": _call(("pid", of.Pid()), ("flags", INT)),
    "pidfd_getfd": _call(("pidfd", INT), ("fd", INT), ("flags", INT)),
    "socketpair": _call(("domain", INT), ("type", INT), ("protocol", INT), ("pair", of.Number(8))),
    "landlock_create_ruleset": _call(("attr", _RULESET), ("size", INT), ("flags", INT)),
    "landlock_restrict_self": _call(("ruleset", INT), ("flags", INT)),
    "seccomp": _call(("operation", _Enum(flags.SECCOMP)), ("flags", _Flags(flags.SECCOMP_FILTER_FLAG)),
                     ("filter", of.HandedOver())),
    "fchroot": _call(("fd", INT), ("flags", INT)),
    # Some operations insist on zeros: PR_SET_NO_NEW_PRIVS is EINVAL without.
    "prctl": _call(("option", _Enum(flags.PR)), ("argument", INT), *((name, _ZERO) for name in ("third", "fourth", "fifth"))),
}


class _Plan(NamedTuple):
    """What a call is made of, looked up once: numbers go to the kernel as they are (None), all else is packed."""

    number: int
    given: int
    kinds: Tuple[Tuple[bool, Optional[Kind]], ...]
    output: int


def _plan(name: str) -> _Plan:
    kinds = [kind for _, kind in SIGNATURES[name].arguments]
    outputs = [index for index, kind in enumerate(kinds) if kind.output]
    plain = [kind.given and type(kind).pack is Kind.pack for kind in kinds]
    return _Plan(NUMBERS[name], sum(kind.given for kind in kinds),
                 tuple((kind.given, None if as_it_is else kind) for kind, as_it_is in zip(kinds, plain)),
                 outputs[0] if outputs else -1)


_PLANS = {name: _plan(name) for name in SIGNATURES}
# Calls for which others have to be made first.
ASKING = frozenset(name for name, signature in SIGNATURES.items() if any(kind.asks for _, kind in signature.arguments))


def step(task: Task, name: str, given: Sequence[Any]) -> Step:
    """A call to be made in a turn, with what its return means: its value and None, or None and the name of the errno."""
    number, wanted, kinds, output = _PLANS[name]
    if len(given) != wanted:
        raise TypeError("%s takes %d arguments, not %d: %s" % (name, wanted, len(given), ", ".join(
            argument for argument, kind in SIGNATURES[name].arguments if kind.given)))
    values = iter(given)
    call: List[Any] = [number]
    for is_given, kind in kinds:
        if kind is None:
            call.append(next(values))
        else:
            call.append(kind.pack(next(values) if is_given else None, task))
    if output < 0:
        return (call,), _plain
    place = call[output + 1]
    filled = SIGNATURES[name].arguments[output][1]
    assert isinstance(filled, _Output)

    def outcome(results: Sequence[int]) -> Outcome:
        returned, error = _plain(results)
        return (None, error) if error else (filled.decode(task.arena.take(place, filled.size), returned), None)

    return (call,), outcome


def _plain(results: Sequence[int]) -> Outcome:
    returned = results[0]
    if -4096 < returned < 0:
        return None, flags.errno_name(-returned)
    return returned, None


def execute(task: Task, name: str, given: Sequence[Any]) -> Outcome:
    """Have a process make one call: its value and None, or None and the name of the errno."""
    return task.make(step, name, given)


def spell(name: str, given: List[Any]) -> List[str]:
    """The arguments of a call as C would write them, one string each; without the buffers that it fills."""
    values = iter(given)
    return [kind.show(next(values) if kind.given else None) for _, kind in SIGNATURES[name].arguments if not kind.output]
