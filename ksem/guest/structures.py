"""How the arguments of system calls are given to C and written down, and what the kernel fills in is read.

Contract: the standard library, `flags`, `numbers`, `executor`. A `Kind` is what `syscalls.SIGNATURES` is made of. What differs
from run to run (ids of mounts, processes and namespaces) is neither given nor shown as a number: the record is the same for
the same behaviour.
"""

import struct
from typing import Any, Dict, Optional, Tuple

from ksem.guest import flags
from ksem.guest.executor import Call, Task
from ksem.guest.numbers import NUMBERS

_GETPID, _GETPPID, _STATX = 39, 110, 332


class Kind:
    """How one argument is given to the kernel (`pack`) and written down (`show`).

    given: whether the caller names it. output: whether the kernel fills it; `size` bytes then. asks: whether the process makes
    calls of its own for it, so that all before it must be made. What `pack` returns is the argument's number, or the address
    of what it has put into the arena of the process.
    """

    given = True
    output = False
    asks = False

    def pack(self, value: Any, task: Task) -> int:
        return int(value)

    def show(self, value: Any) -> str:
        return str(value)


class Text(Kind):
    """A string, or NULL for None."""

    def pack(self, value: Any, task: Task) -> int:
        return 0 if value is None else task.arena.text(value)

    def show(self, value: Any) -> str:
        if value is None:
            return "NULL"
        text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        # Bytes that are no text, as in an extended attribute: a lone surrogate stands for one.
        return '"%s"' % "".join(one if one.isprintable() else "\\%03o" % (ord(one) & 0xFF) for one in text)


class Flags(Kind):
    """A number whose bits have names with these prefixes."""

    def __init__(self, *prefixes: type) -> None:
        self.prefixes = prefixes

    def show(self, value: Any) -> str:
        return flags.spell(value, *self.prefixes)


class Output(Kind):
    """A buffer that the kernel fills; its content is the call's value."""

    given = False
    output = True

    def __init__(self, size: int) -> None:
        self.size = size

    def pack(self, value: Any, task: Task) -> int:
        return task.arena.put(bytes(self.size))

    def decode(self, data: bytes, returned: int) -> Any:
        return data[:returned].decode("utf-8", "surrogateescape")


class Struct(Kind):
    """A struct as a dict, or None for NULL; a field is its name, its struct code, and the prefix of its flags if it has one."""

    def __init__(self, *fields: Tuple[str, str, Optional[type]]) -> None:
        self.fields = fields
        self.format = "=" + "".join(code for _, code, _ in fields)
        self.size = struct.calcsize(self.format)

    def pack(self, value: Any, task: Task) -> int:
        if value is None:
            return 0
        return task.arena.put(struct.pack(self.format, *(value.get(name, 0) for name, _, _ in self.fields)))

    def show(self, value: Any) -> str:
        if value is None:
            return "NULL"
        return "{%s}" % ", ".join(".%s = %s" % (name, flags.spell(value[name], prefix) if prefix else value[name])
                                  for name, _, prefix in self.fields if value.get(name))


class CloneFlags(Flags):
    """The flags of clone(2), to which the signal belongs that tells of the child's end."""

    def show(self, value: Any) -> str:
        return "|".join([super().show(value)] * bool(value) + ["SIGCHLD"])


class CloneArguments(Flags):
    """struct clone_args, of which flags and signal are told."""

    def pack(self, value: Any, task: Task) -> int:
        return task.arena.put(struct.pack("=8q", value, *(0,) * 7))

    def show(self, value: Any) -> str:
        return "{.flags = %s, .exit_signal = SIGCHLD}" % flags.spell(value, *self.prefixes)


class Times(Kind):
    """Two times of whole seconds, [access, modification], as struct timeval."""

    def pack(self, value: Any, task: Task) -> int:
        return task.arena.put(struct.pack("=4q", value[0], 0, value[1], 0))

    def show(self, value: Any) -> str:
        return "{{%d, 0}, {%d, 0}}" % tuple(value)


class MountRequest(Kind):
    """struct mnt_id_req as a dict with `mount`, a path whose mount is meant, or `fd`, and `param`: ids would differ."""

    asks = True

    def pack(self, value: Any, task: Task) -> int:
        identity = mount_id(task, value["mount"], flags.STATX.MNT_ID_UNIQUE) if "mount" in value else 0
        return task.arena.put(struct.pack("=IIQQ", 24, value.get("fd", 0), identity, value.get("param", 0)))

    def show(self, value: Any) -> str:
        which = ".mnt_id = <of %s>" % Text().show(value["mount"]) if "mount" in value else ".mnt_fd = %d" % value["fd"]
        return "{%s, .param = %s}" % (which, flags.spell(value.get("param", 0), flags.STATMOUNT))


class Mount(Output):
    """struct statmount: what was asked for and is there, but for ids that differ from run to run."""

    numbers = {"SB_BASIC": ("sb_magic", "=Q", 24), "MNT_BASIC": ("mnt_attr", "=Q", 64), "MNT_UIDMAP": ("uidmaps", "=I", 152)}
    texts = {"MNT_ROOT": 104, "MNT_POINT": 108, "FS_TYPE": 36, "MNT_OPTS": 4, "SB_SOURCE": 124}

    def decode(self, data: bytes, returned: int) -> Any:
        mask, = struct.unpack_from("=Q", data, 8)
        seen: Dict[str, Any] = {}
        for name, (field, code, place) in self.numbers.items():
            if mask & getattr(flags.STATMOUNT, name):
                seen[field] = struct.unpack_from(code, data, place)[0]
        for name, place in self.texts.items():
            if mask & getattr(flags.STATMOUNT, name):
                start = 512 + struct.unpack_from("=I", data, place)[0]
                seen[name.lower()] = data[start:data.index(b"\0", start)].decode("utf-8", "surrogateescape")
        seen["fields"] = flags.spell(mask, flags.STATMOUNT)
        return seen


class Scratch(Kind):
    """A buffer that the kernel reads and writes, but whose content nobody wants; it starts with one number."""

    given = False

    def __init__(self, code: str, value: int, text: str) -> None:
        self.content = struct.pack(code, value)
        self.text = text

    def pack(self, value: Any, task: Task) -> int:
        return task.arena.put(self.content)

    def show(self, value: Any) -> str:
        return self.text


class Number(Output):
    """One or more numbers of 32 bits."""

    def decode(self, data: bytes, returned: int) -> Any:
        values = list(struct.unpack("=%di" % (self.size // 4), data))
        return values if len(values) > 1 else values[0]


class Returned(Output):
    """A list of ids, which differ from run to run: the value is what the call returns."""

    def decode(self, data: bytes, returned: int) -> Any:
        return returned


class UniqueId(Output):
    """A mount id of 64 bits: whether it is one that is never used again; those start where the reused ones end."""

    def decode(self, data: bytes, returned: int) -> Any:
        return struct.unpack("=Q", data)[0] > 0x7FFFFFFF


class Attributes(Output):
    """struct xattr_args with 256 bytes for the value, which follow it."""

    def __init__(self) -> None:
        super().__init__(16 + 256)

    def pack(self, value: Any, task: Task) -> int:
        text = b"" if value is None else value.encode()
        place = task.arena.base + task.arena.top + 16
        return task.arena.put(struct.pack("=QII256s", place, 256 if value is None else len(text), 0, text))

    def show(self, value: Any) -> str:
        return "{.value = %s, .size = %d}" % (Text().show(value), len(value))

    def decode(self, data: bytes, returned: int) -> Any:
        return data[16:16 + returned].decode("utf-8", "surrogateescape")


class AttributesToSet(Attributes):
    """The same with a value that the caller gives."""

    given = True
    output = False


class IoctlNumber(Output):
    """What an ioctl fills in, a number of 32 bits; where it fills in nothing, what it returns."""

    def pack(self, value: Any, task: Task) -> int:
        return task.arena.put(b"\xff" * self.size)

    def decode(self, data: bytes, returned: int) -> Any:
        return returned if data == b"\xff" * self.size else struct.unpack_from("=I", data)[0]


class FileAttributes(Output):
    """struct file_attr: its flags."""

    def decode(self, data: bytes, returned: int) -> Any:
        return struct.unpack_from("=Q", data)[0]


class HandedOver(Kind):
    """A filter, struct sock_fprog, that hands one system call, by its name, to the filter's listener and allows the rest."""

    def pack(self, value: Any, task: Task) -> int:
        # Load the number; if it is that one, SECCOMP_RET_USER_NOTIF, else SECCOMP_RET_ALLOW.
        lines = ((0x20, 0, 0, 0), (0x15, 0, 1, NUMBERS[value]), (0x06, 0, 0, 0x7FC00000), (0x06, 0, 0, 0x7FFF0000))
        place = task.arena.put(b"".join(struct.pack("=HBBI", *line) for line in lines))
        return task.arena.put(struct.pack("=H6xQ", len(lines), place))

    def show(self, value: Any) -> str:
        if value not in NUMBERS:
            raise KeyError(value)
        return "{.nr = SYS_%s}" % value


class Pid(Kind):
    """`self` or `parent`: a number would differ from run to run."""

    asks = True

    def pack(self, value: Any, task: Task) -> int:
        return task.calls([({"self": _GETPID, "parent": _GETPPID}[value],)])[0]

    def show(self, value: Any) -> str:
        return {"self": "getpid()", "parent": "getppid()"}[value]


class Statx:
    """A call of statx(2) from the working directory, and what is in its struct: zeros where it fails."""

    def __init__(self, task: Task, path: str, mask: int, at_flags: int = 0) -> None:
        self._task = task
        self._mask = mask
        self._place = task.arena.put(bytes(256))
        self.call: Call = (_STATX, flags.AT_FDCWD, task.arena.text(path), at_flags, mask, self._place)

    def fields(self, code: str, place: int) -> Tuple[Any, ...]:
        """What lies at a place of the struct."""
        return struct.unpack_from(code, self._task.arena.take(self._place, 256), place)

    def mount_id(self) -> int:
        """0 where the kernel does not fill that field."""
        filled, = self.fields("=I", 0)
        return int(self.fields("=Q", 144)[0]) if filled & self._mask else 0

    def attributes(self) -> Tuple[int, int]:
        """Those that there are, and which the kernel knows."""
        return self.fields("=Q", 8)[0], self.fields("=Q", 56)[0]


def mount_id(task: Task, path: str, field: int) -> int:
    """The id of the mount that a path lies on; 0 where the kernel does not fill that field."""
    status = Statx(task, path, field)
    task.calls([status.call])
    return status.mount_id()
