"""System calls by name: builtin values go in, a builtin value or the name of an errno comes out.

Contract: the standard library and `flags`. SIGNATURES is the whole list: one entry makes a call usable
from a case, recorded in its trace and known to whoever reads the trace. Signatures follow section 2 of the
manual; numbers are those of the kernel's syscall tables.
"""

import ctypes
import errno
import os
import struct
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ksem.guest import flags

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
# From 424 on all architectures share one numbering. The older ones come from libc by name, but for those that it lacks or
# lacked (glibc has statx since 2.28, mknod as a function since 2.33).
_NUMBERS: Dict[str, int] = {
    "open_tree": 428, "move_mount": 429, "openat2": 437, "mount_setattr": 442, "fchmodat2": 452,
    "statmount": 457, "listmount": 458,
    "pivot_root": {"x86_64": 155, "aarch64": 41}.get(os.uname().machine, -1),
    "mknod": {"x86_64": 133}.get(os.uname().machine, -1),
    "statx": {"x86_64": 332, "aarch64": 291}.get(os.uname().machine, -1),
}


class Kind:
    """How one argument is given to C (`pack`) and written down (`show`).

    given: whether the caller names it. output: whether the kernel fills it.
    """

    given = True
    output = False

    def pack(self, value: Any) -> Any:
        return value

    def show(self, value: Any) -> str:
        return str(value)


class _Text(Kind):
    """A string, or NULL for None."""

    def pack(self, value: Any) -> Any:
        return None if value is None else value.encode("utf-8", "surrogateescape")

    def show(self, value: Any) -> str:
        if value is None:
            return "NULL"
        text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return '"%s"' % "".join(one if " " <= one <= "~" else _octal(self.pack(one)) for one in text)


def _octal(data: bytes) -> str:
    return "".join("\\%03o" % byte for byte in data)


class _Flags(Kind):
    def __init__(self, *prefixes: type) -> None:
        self.prefixes = prefixes

    def show(self, value: Any) -> str:
        return flags.spell(value, *self.prefixes)


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

    def pack(self, value: Any) -> Any:
        return (ctypes.c_uint32 * len(value))(*value)

    def show(self, value: Any) -> str:
        return "{%s}" % ", ".join(str(one) for one in value)


class _MountAttr(Kind):
    """struct mount_attr as a dict with `attr_set`, `attr_clr`, `propagation`, `userns_fd`."""

    fields = ("attr_set", "attr_clr", "propagation", "userns_fd")

    def pack(self, value: Any) -> Any:
        return ctypes.create_string_buffer(struct.pack("=4Q", *(value.get(name, 0) for name in self.fields)), 32)

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

    def pack(self, value: Any) -> Any:
        words = [sum(1 << cap for cap in value.get(name, ()))
                 for name in ("effective", "permitted", "inheritable")]
        low = [word & 0xFFFFFFFF for word in words]
        high = [word >> 32 for word in words]
        return ctypes.create_string_buffer(struct.pack("=6I", *(low + high)), 24)

    def show(self, value: Any) -> str:
        def names(name: str) -> str:
            return "|".join(flags.name_of(cap, flags.CAP) for cap in value[name]) or "0"
        return "{%s}" % ", ".join(".%s = %s" % (name, names(name)) for name in
                                  ("effective", "permitted", "inheritable") if name in value)


class _UnixAddress(Kind):
    """struct sockaddr_un of a path; C takes its size next."""

    def pack(self, value: Any) -> Any:
        return ctypes.create_string_buffer(struct.pack("=H108s", 1, value.encode()), 110)

    def show(self, value: Any) -> str:
        return '{AF_UNIX, "%s"}' % value


class _Fixed(Kind):
    """An argument that is always the same."""

    given = False

    def __init__(self, value: Any, text: str) -> None:
        self.value = value
        self.text = text

    def pack(self, value: Any) -> Any:
        return self.value

    def show(self, value: Any) -> str:
        return self.text


class _Output(Kind):
    """A buffer that the kernel fills; its content is the call's value."""

    given = False
    output = True

    def __init__(self, size: int) -> None:
        self.size = size

    def pack(self, value: Any) -> Any:
        return ctypes.create_string_buffer(self.size)

    def decode(self, data: bytes, returned: int) -> Any:
        return data[:returned].decode("utf-8", "surrogateescape")


class _PeerCredentials(_Output):
    """struct ucred without the process id, which differs from run to run: {"uid": 0, "gid": 0}."""

    def decode(self, data: bytes, returned: int) -> Any:
        return dict(zip(("uid", "gid"), struct.unpack_from("=II", data, 4)))


def _message(uid: int = 0, gid: int = 0) -> Any:
    """struct msghdr (0) with its iovec (56), one byte (72) and an SCM_CREDENTIALS of ours (80), in one buffer."""
    buffer = ctypes.create_string_buffer(112)
    start = ctypes.addressof(buffer)
    struct.pack_into("=QQQQQQQ", buffer, 0, 0, 0, start + 56, 1, start + 80, 32, 0)
    struct.pack_into("=QQ", buffer, 56, start + 72, 1)
    struct.pack_into("=QIIIII", buffer, 80, 28, 1, 2, os.getpid(), uid, gid)
    return buffer


class _SentCredentials(Kind):
    """A message of one byte with the caller's process id and these ids, {"uid": 0, "gid": 0}."""

    def pack(self, value: Any) -> Any:
        return _message(value["uid"], value["gid"])

    def show(self, value: Any) -> str:
        return "{SCM_CREDENTIALS {getpid(), %d, %d}}" % (value["uid"], value["gid"])


class _ReceivedCredentials(_Output):
    """What such a message brings: {"uid": 0, "gid": 0}, or {} without credentials."""

    def pack(self, value: Any) -> Any:
        return _message()

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
         ("size", _Fixed(ctypes.c_size_t(32), "32")))
# For the caller itself, with sets of 64 bits.
_CAPABILITY_HEADER = _Fixed(struct.pack("=Ii", 0x20080522, 0), "{_LINUX_CAPABILITY_VERSION_3, 0}")
_SOCKET_ADDRESS = (("fd", INT), ("address", _UnixAddress()), ("size", _Fixed(ctypes.c_uint32(110), "110")))
_SOCKET_OPTION = (("fd", INT), ("level", _Enum(flags.SOL)), ("option", _Enum(flags.SO)))
# The kernel writes how much it filled in: as much, so that it stays.
_TWELVE = ctypes.c_uint32(12)
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
    "unshare": _call(("flags", _Flags(flags.CLONE))),
    "setns": _call(("fd", INT), ("nstype", _Flags(flags.CLONE))),
    "chroot": _call(_PATH),
    "chdir": _call(_PATH),
    "fchdir": _call(("fd", INT)),
    "mkdir": _call(_PATH, ("mode", MODE)),
    "rmdir": _call(_PATH),
    "unlink": _call(_PATH),
    "rename": _call(("old", TEXT), ("new", TEXT)),
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
    "chmod": _call(_PATH, ("mode", MODE)),
    "fchmod": _call(("fd", INT), ("mode", MODE)),
    "umask": _call(("mask", MODE)),
    "access": _call(_PATH, ("mode", INT)),
    "statx": _call(("dirfd", DIRECTORY), _PATH, ("flags", _AT), ("mask", INT), ("buffer", _Status(256))),
    "utimensat": _call(("dirfd", DIRECTORY), _PATH, ("times", _Fixed(None, "NULL")), ("flags", _AT)),
    "setxattr": _call(_PATH, ("name", TEXT), ("value", TEXT), ("size", INT), ("flags", INT)),
    "getxattr": _call(_PATH, ("name", TEXT), ("value", _Output(4096)), ("size", INT)),
    "removexattr": _call(_PATH, ("name", TEXT)),
    "chown": _call(_PATH, *_OWNER),
    "lchown": _call(_PATH, *_OWNER),
    "fchown": _call(("fd", INT), *_OWNER),
    "fchownat": _call(("dirfd", DIRECTORY), _PATH, *_OWNER, ("flags", _AT)),
    "socket": _call(("domain", _Enum(flags.AF)), ("type", _Enum(flags.SOCK)), ("protocol", INT)),
    "bind": _call(*_SOCKET_ADDRESS),
    "connect": _call(*_SOCKET_ADDRESS),
    "listen": _call(("fd", INT), ("backlog", INT)),
    "accept4": _call(("fd", INT), ("address", _Fixed(None, "NULL")), ("size", _Fixed(None, "NULL")), ("flags", INT)),
    "getsockopt": _call(*_SOCKET_OPTION, ("value", _PeerCredentials(12)), ("size", _Fixed(ctypes.byref(_TWELVE), "&size"))),
    "setsockopt": _call(*_SOCKET_OPTION, ("value", _Fixed(ctypes.byref(ctypes.c_int(1)), "&one")), ("size", _Fixed(4, "4"))),
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
    "prctl": _call(("option", _Enum(flags.PR)), ("argument", INT)),
}


def execute(name: str, given: List[Any]) -> Tuple[Any, Optional[str]]:
    """Make one call: its value and None, or None and the name of the errno."""
    values = iter(given)
    packed = []
    output: Optional[_Output] = None
    for _, kind in SIGNATURES[name].arguments:
        packed.append(kind.pack(next(values) if kind.given else None))
        if kind.output:
            assert isinstance(kind, _Output)
            output, buffer = kind, packed[-1]
    returned = _invoke(name, packed)
    if returned < 0:
        code = ctypes.get_errno()
        return None, errno.errorcode.get(code, str(code))
    return (output.decode(buffer.raw, returned) if output else returned), None


def _invoke(name: str, packed: List[Any]) -> int:
    if name not in _NUMBERS:
        return int(_FUNCTIONS[name](*packed))
    # syscall(2) takes each argument as a long; what ctypes makes of a bare number is an int.
    longs = [ctypes.c_long(value) if isinstance(value, int) else value for value in packed]
    return int(_libc.syscall(ctypes.c_long(_NUMBERS[name]), *longs))


# Looked up here, once: a child that did it for itself would pay for the dynamic linker's walk.
_FUNCTIONS = {name: getattr(_libc, name) for name in SIGNATURES if name not in _NUMBERS}


def spell(name: str, given: List[Any]) -> List[str]:
    """The arguments of a call as C would write them, one string each; without the buffers that it fills."""
    values = iter(given)
    return [kind.show(next(values) if kind.given else None) for _, kind in SIGNATURES[name].arguments if not kind.output]
