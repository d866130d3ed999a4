"""What a case reads back from the kernel beside system calls: small files of /proc, parsed.

Contract: the standard library, `executor`, `flags`, `structures` and the modules of other readers. A reader is a function of a
process and builtin values to a `Step`: the calls that the process is to make, and what to make of them, a builtin value or an
errno. READERS is the whole list; a case calls one as it calls a system call.
"""

import errno
import os
import struct
from typing import Any, Callable, Dict, List, Sequence

from ksem.guest import cloned, identities, program, supervised
from ksem.guest.executor import CLOSE, DUP2, OPEN, PIPE2, READ, WRITE, At, Call, Earlier, Outcome, Step, Task
from ksem.guest.flags import errno_name
from ksem.guest.structures import Statx

_MMAP, _MUNMAP, _GETCWD, _STATFS, _FSTATFS, _GETDENTS64 = 9, 11, 79, 137, 138, 217
_AT_SYMLINK_NOFOLLOW, _STATX_ATIME, _STATX_CTIME = 0x100, 0x20, 0x80
# A file of /proc gives up to 4 KiB at a time (fs/seq_file.c), a directory what there is room for. Each takes a call, and the
# table of mounts is what grows: there is room for the machine's own, and for what a case makes.
_PIECE, _LEAST, _LINES = 16384, 6, 3000


def mountinfo(task: Task, path: str) -> Step:
    """The topmost mount on a path, from /proc/self/mountinfo (proc_pid_mountinfo(5)).

    {"flags": [per-mount options], "superblock": "ro" or "rw", "propagation": [...], "fstype": NAME}.
    ENOENT when the path is no mount point.
    """
    def decoded(text: str, base: str) -> Any:
        target = _escaped(os.path.normpath(os.path.join(base, path)))
        # Splitting every line of a long table is what would take the time. The last one of a path is the topmost.
        found = [line for line in text.splitlines() if target in line and line.split(None, 5)[4] == target]
        if not found:
            raise OSError(errno.ENOENT, "no mount point", path)
        fields = found[-1].split()
        separator = fields.index("-")
        # Peer groups are numbers that differ from run to run: only their kind counts.
        propagation = [field.split(":")[0] for field in fields[6:separator]]
        return {"flags": fields[5].split(","), "superblock": fields[separator + 3].split(",")[0],
                "propagation": propagation or ["private"], "fstype": fields[separator + 1]}

    return _of_mounts(task, decoded)


def mounts_below(task: Task, path: str) -> Step:
    """The mount points at and below a path, relative to it, in the order of /proc/self/mountinfo."""
    def decoded(text: str, base: str) -> Any:
        top = os.path.normpath(os.path.join(base, path))
        points = [_unescaped(line.split()[4]) for line in text.splitlines()]
        return [os.path.relpath(point, top) for point in points if (point + "/").startswith(top.rstrip("/") + "/")]

    return _of_mounts(task, decoded)


def mount_points(task: Task, fstype: str) -> Step:
    """Where filesystems of that type are mounted, in the order of /proc/self/mountinfo; a place once for each mount on it."""
    def decoded(text: str, base: str) -> Any:
        mounts = [line.split() for line in text.splitlines()]
        return [_unescaped(fields[4]) for fields in mounts if fields[fields.index("-") + 1] == fstype]

    return _of_mounts(task, decoded)


def _of_mounts(task: Task, decode: Callable[[str, str], Any]) -> Step:
    """What a decoder makes of the process's mountinfo and its working directory."""
    place = task.arena.reserve(4096)
    content = Content(task, "/proc/self/mountinfo", READ, 0)

    def outcome(results: Sequence[int]) -> Outcome:
        base = task.arena.take(place, max(1, results[-1]) - 1).decode("utf-8", "surrogateescape")
        return _valued(lambda: decode(_text(content.outcome(results)), base))

    return [*content.calls, (_GETCWD, place, 4096)], outcome


def mount_options_at(task: Task, path: str, descriptor: int = -1) -> Step:
    """The options of the mount that a path or a descriptor lies on, in mountinfo's words, from statfs(2).

    For a mount that is attached nowhere, which mountinfo does not show. "ro" also stands for a read-only superblock.
    """
    place = task.arena.reserve(120)

    def outcome(results: Sequence[int]) -> Outcome:
        flags = struct.unpack_from("=Q", task.arena.take(place, 120), 80)[0]
        named = [name for bit, name in _STATFS_FLAGS.items() if flags & bit]
        return _demanded(results, lambda: sorted(["ro" if flags & os.ST_RDONLY else "rw", *named]))

    return [(_FSTATFS, descriptor, place) if descriptor >= 0 else (_STATFS, task.arena.text(path), place)], outcome


# ST_NOSYMFOLLOW has no name in Python.
_STATFS_FLAGS = {os.ST_NOSUID: "nosuid", os.ST_NODEV: "nodev", os.ST_NOEXEC: "noexec", os.ST_NOATIME: "noatime",
                 os.ST_NODIRATIME: "nodiratime", os.ST_RELATIME: "relatime", 0x2000: "nosymfollow"}


def read_file(task: Task, path: str) -> Step:
    """The content of a small text file."""
    content = Content(task, path, READ, 0)
    return content.calls, lambda results: _valued(lambda: _text(content.outcome(results)))


def write_file(task: Task, path: str, text: str) -> Step:
    """Write a text to an existing file in one write(2), as /proc wants it; the number of bytes."""
    return _written(task, path, text.encode(), 0)


def write_program(task: Task, path: str, says: str = "ids") -> Step:
    """Write the program that says `ids`, or the one that says `capabilities`, into an existing file; the number of bytes."""
    return _written(task, path, program.elf(says), os.O_TRUNC)


def _written(task: Task, path: str, data: bytes, flags: int) -> Step:
    place = task.arena.put(data)
    calls: List[Call] = [(OPEN, task.arena.text(path), os.O_WRONLY | os.O_CLOEXEC | flags, 0),
                         (WRITE, Earlier(0), place, len(data)), (CLOSE, Earlier(0))]
    return calls, lambda results: _demanded(results[:2], lambda: results[1])


def write_mapped(task: Task, path: str, text: str) -> Step:
    """Write a text to the start of a file, which must be as long, by a store through a shared mapping; the number of bytes.

    A process that makes nothing but system calls stores what it reads from a pipe, at an address where nothing else is.
    """
    data = text.encode()
    calls = [*_opened(task, path, os.O_RDWR), (_MMAP, _MAPPED, len(data), *_SHARED, _SPARE, 0), *_stored(task, data),
             (_MUNMAP, _MAPPED, len(data)), (CLOSE, _SPARE)]
    return calls, lambda results: _demanded(results[:7], lambda: results[6])


def map_file(task: Task, path: str) -> Step:
    """Map the first page of a file, shared and writable, for `store_mapped`; 0. For a process apart: it stays in its memory."""
    calls = [*_opened(task, path, os.O_RDWR), (_MMAP, _MAPPED, 4096, *_SHARED, _SPARE, 0), (CLOSE, _SPARE)]
    return calls, lambda results: _demanded(results, lambda: 0)


def store_mapped(task: Task, text: str) -> Step:
    """Write a text to the start of the file that was mapped last; the number of bytes."""
    return _stored(task, text.encode()), lambda results: _demanded(results, lambda: results[2])


# A descriptor that no case meets, and an address far from where anything is (heap, libraries, stack).
_SPARE, _MAPPED = 199, 0x3F0000000000
# PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED.
_SHARED = (3, 0x11)


def _opened(task: Task, path: str, mode: int) -> List[Call]:
    """A file as the spare descriptor: only a first argument can be what an earlier call returned, and mmap's is the fifth."""
    return [(OPEN, task.arena.text(path), mode | os.O_CLOEXEC, 0), (DUP2, Earlier(0), _SPARE), (CLOSE, Earlier(0))]


def _stored(task: Task, data: bytes) -> List[Call]:
    """Bytes to where a file is mapped, which are read from a pipe; the third call says how many."""
    pair = task.arena.put(bytes(8))
    return [(PIPE2, pair, 0), (WRITE, At(pair + 4), task.arena.put(data), len(data)), (READ, At(pair), _MAPPED, len(data)),
            (CLOSE, At(pair)), (CLOSE, At(pair + 4))]


def map_executable(task: Task, path: str) -> Step:
    """Map a file as the dynamic linker maps a library, to be executed; it must not be empty."""
    # PROT_READ | PROT_EXEC, MAP_PRIVATE.
    calls = [*_opened(task, path, os.O_RDONLY), (_MMAP, 0, 4096, 5, 2, _SPARE, 0), (CLOSE, _SPARE), (_MUNMAP, Earlier(3), 4096)]
    return calls, lambda results: _demanded(results[:4], lambda: None)


def tick(task: Task) -> Step:
    """Wait until the clock that stamps files has moved on: what is changed after it is later than what was changed before.

    Twice, as programs are shown the new time before the kernel's own copy has it (timekeeping_update_from_shadow() in
    kernel/time/timekeeping.c): what another processor did in between would bear the old one.
    """
    for _ in range(2):
        task.arena.tick()
    return [], lambda results: (None, None)


def changed_after(task: Task, path: str, other: str) -> Step:
    """Whether the status of a path was changed (stx_ctime) after that of another; neither is followed."""
    statuses = [Statx(task, one, _STATX_CTIME, _AT_SYMLINK_NOFOLLOW) for one in (path, other)]

    def outcome(results: Sequence[int]) -> Outcome:
        first, second = (status.fields("=qI", 96) for status in statuses)
        return _demanded(results, lambda: first > second)

    return [status.call for status in statuses], outcome


def accessed(task: Task, path: str, second: int) -> Step:
    """Whether the time of last access (stx_atime) of a path, which is not followed, is another than this."""
    status = Statx(task, path, _STATX_ATIME, _AT_SYMLINK_NOFOLLOW)
    return [status.call], lambda results: _demanded(results, lambda: status.fields("=q", 64)[0] != second)


def credentials(task: Task, proc: str) -> Step:
    """Who a process is, from the status file in its directory of /proc (proc_pid_status(5)): as its reader sees it.

    {"uid": [real, effective, saved, filesystem], "gid": the same, "groups": [...], "capabilities": "all", "none" or the
    effective set in hexadecimal}.
    """
    status = Content(task, proc + "/status", READ, 0)
    last = Content(task, "/proc/sys/kernel/cap_last_cap", READ, 0, len(status.calls))

    def decoded(text: str, last_capability: str) -> Any:
        fields = dict(line.split(":", 1) for line in text.splitlines())
        whole = (2 << int(last_capability)) - 1
        held = int(fields["CapEff"], 16)
        return {"uid": _numbers(fields["Uid"]), "gid": _numbers(fields["Gid"]), "groups": _numbers(fields["Groups"]),
                "capabilities": "none" if held == 0 else "all" if held == whole else "%x" % held}

    return [*status.calls, *last.calls], lambda results: _valued(
        lambda: decoded(_text(status.outcome(results)), _text(last.outcome(results))))


def _numbers(text: str) -> List[int]:
    return [int(word) for word in text.split()]


def list_directory(task: Task, path: str) -> Step:
    """The names in a directory, sorted."""
    content = Content(task, path, _GETDENTS64, os.O_DIRECTORY)
    return content.calls, lambda results: _valued(lambda: _names(content.outcome(results)))


def _names(data: bytes) -> List[str]:
    names = []
    start = 0
    while start < len(data):
        # struct linux_dirent64: inode, offset, length of the record, type, name.
        length = struct.unpack_from("=H", data, start + 16)[0]
        if length < 20:
            raise ValueError("an entry of %d bytes in a directory" % length)
        names.append(data[start + 19:data.index(b"\0", start + 19)].decode("utf-8", "surrogateescape"))
        start += length
    return sorted(name for name in names if name not in (".", ".."))


class Content:
    """A file or directory read in one go: the calls, of which the first is that of a number of its step, and their bytes."""

    def __init__(self, task: Task, path: str, call: int, flags: int, number: int = 0) -> None:
        self._task = task
        self._path = path
        self._number = number
        self._pieces = _LEAST + task.arena.around.table // _LINES
        self._place = task.arena.reserve(self._pieces * _PIECE)
        opened = Earlier(number)
        reads = [(call, opened, self._place + piece * _PIECE, _PIECE) for piece in range(self._pieces)]
        self.calls: List[Call] = [(OPEN, task.arena.text(path), os.O_RDONLY | os.O_CLOEXEC | flags, 0), *reads, (CLOSE, opened)]

    def outcome(self, results: Sequence[int]) -> bytes:
        """The bytes. Raises OSError, and ValueError for more than there was room for."""
        own = results[self._number:self._number + 1 + self._pieces]
        for returned in own:
            if returned < 0:
                raise OSError(-returned, os.strerror(-returned), self._path)
        if own[-1]:
            raise ValueError("%s is longer than what is read in one go" % self._path)
        take = self._task.arena.take
        return b"".join([take(self._place + piece * _PIECE, size) for piece, size in enumerate(own[1:]) if size])


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _demanded(results: Sequence[int], value: Callable[[], Any]) -> Outcome:
    """A value, if no call failed; else the first failure."""
    for returned in results:
        if returned < 0:
            return None, errno_name(-returned)
    return value(), None


def _valued(value: Callable[[], Any]) -> Outcome:
    """A value, or the errno of the OSError that it raises."""
    try:
        return value(), None
    except OSError as error:
        return None, errno_name(error.errno or 0)


def _escaped(path: str) -> str:
    """A path as mountinfo writes it (proc_pid_mountinfo(5), field 5)."""
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")


def _unescaped(text: str) -> str:
    """Undo mountinfo's octal escapes for space, tab, newline and backslash."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


# Those that do more than tell what is to be done: all before them must be made.
ASKING = frozenset(("tick",))
READERS: Dict[str, Callable[..., Step]] = {
    "mountinfo": mountinfo,
    "mount_options_at": mount_options_at,
    "mounts_below": mounts_below,
    "mount_points": mount_points,
    "read_file": read_file,
    "write_file": write_file,
    "write_mapped": write_mapped,
    "map_executable": map_executable,
    "accessed": accessed,
    "tick": tick,
    "changed_after": changed_after,
    "credentials": credentials,
    "list_directory": list_directory,
    "write_program": write_program,
    "run_program": program.run_program,
    "run_capabilities": program.run_capabilities,
    "run_command": program.run_command,
    "raise_ambient": program.raise_ambient,
    "map_file": map_file,
    "store_mapped": store_mapped,
    "pidfd_info": identities.pidfd_info,
    "mount_events": identities.mount_events,
    "mount_identity": identities.mount_identity,
    "same_mount": identities.same_mount,
    "open_by_handle": identities.open_by_handle,
    "run_cloned": cloned.run_cloned,
    "supervised": supervised.supervised,
}
