"""Programs to be run from a case, and how they are run: they say as which user, or with which capabilities, they run, and end.

Contract: the standard library, `executor`, `flags`. What a set-id bit does shows only in a program that is executed. A guest
has no small one and an interpreter is slow to start: these are 160 bytes of machine code, that need nothing but the kernel.
"""

import os
import struct
from typing import Any, Callable, List, Sequence

from ksem.guest.executor import (
    CLOSE,
    DUP2,
    EXIT_GROUP,
    OPEN,
    PIPE2,
    PRCTL,
    READ,
    WAIT4,
    WALL,
    At,
    Earlier,
    Outcome,
    Step,
    Task,
)
from ksem.guest.flags import errno_name

_BASE = 0x400000
# Behind the headers.
START = _BASE + 64 + 56
_CODE = {
    # int ids[4] = {getegid(), 0, geteuid(), 0}; write(1, ids, 16); exit(0)
    "ids": bytes.fromhex(
        "b86b0000000f0550" "b86c0000000f0550" "b801000000bf010000004889e6ba100000000f05" "b83c00000031ff0f05"),
    # struct { u32 version; int pid; u32 sets[6]; } of = {0x20080522, 0}; capget(&of, of.sets); write(1, of.sets, 24); exit(0)
    "capabilities": bytes.fromhex(
        "4883ec40" "c7042422050820" "c744240400000000" "4889e7" "488d742408" "b87d0000000f05"
        "b801000000" "bf01000000" "488d742408" "ba18000000" "0f05" "b83c00000031ff0f05"),
}
_EXECVE = 59
_PR_CAP_AMBIENT, _RAISE = 47, 2


def run_program(task: Task, path: str) -> Step:
    """Have a process execute it in a child: {"euid": ..., "egid": ...} as the child had them, or the errno of execve."""
    def said(data: bytes) -> Any:
        egid, _, euid, _ = struct.unpack("=4I", data)
        return {"euid": euid, "egid": egid}

    return _run(task, path, 16, said)


def run_capabilities(task: Task, path: str) -> Step:
    """The program that says its capabilities, {"effective": bits, "permitted": bits, "inheritable": bits}; or an errno."""
    def said(data: bytes) -> Any:
        words = struct.unpack("=6I", data)
        return {name: words[place] | words[place + 3] << 32
                for place, name in enumerate(("effective", "permitted", "inheritable"))}

    return _run(task, path, 24, said)


def run_command(task: Task, words: List[str], proc: str) -> Step:
    """Run a program of the machine with these words, in which `<pid>` stands for the process of a directory of /proc; its exit
    status. What it says is dropped: it differs from release to release.
    """
    arena = task.arena
    texts = [os.path.basename(proc) if word == "<pid>" else word for word in words]
    places = [arena.text(word) for word in texts]
    arguments = arena.put(struct.pack("=%dQ" % (len(places) + 1), *places, 0))
    nowhere = arena.text(os.devnull)
    status = arena.put(bytes(8))
    _, fork = task.child([(OPEN, nowhere, os.O_RDWR, 0), *((DUP2, Earlier(0), number) for number in (0, 1, 2)),
                          (_EXECVE, places[0], arguments, arguments + 8 * len(places)), (EXIT_GROUP, 127)])

    def outcome(results: Sequence[int]) -> Outcome:
        return arena.take(status, 2)[1], None

    return [fork, (WAIT4, Earlier(0), status, WALL, 0)], outcome


def raise_ambient(task: Task, capability: int) -> Step:
    """Put a permitted and inheritable capability into the ambient set, which execve keeps (PR_CAP_AMBIENT(2const)); 0."""
    def outcome(results: Sequence[int]) -> Outcome:
        return (None, errno_name(-results[0])) if results[0] < 0 else (0, None)

    return [(PRCTL, _PR_CAP_AMBIENT, _RAISE, capability, 0, 0)], outcome


def _run(task: Task, path: str, size: int, decode: Callable[[bytes], Any]) -> Step:
    """Execute a program in a child, which writes so many bytes."""
    arena = task.arena
    pair = arena.put(bytes(8))
    said = arena.reserve(size)
    name = arena.text(path)
    arguments = arena.put(struct.pack("=QQ", name, 0))
    # It goes on only where it could not be executed, and says why: what execve returned.
    why = arena.reserve(8)
    _, fork = task.child([(DUP2, At(pair + 4), 1), (_EXECVE, name, arguments, arguments + 8), (EXIT_GROUP, Earlier(1))])
    calls = [(PIPE2, pair, os.O_CLOEXEC), fork, (CLOSE, At(pair + 4)), (READ, At(pair), said, size), (CLOSE, At(pair)),
             (WAIT4, Earlier(1), why, WALL, 0)]

    def outcome(results: Sequence[int]) -> Outcome:
        if results[3] == size:
            return decode(arena.take(said, size)), None
        # The exit status is the negative errno, of which eight bits are kept.
        code = 256 - arena.take(why, 2)[1]
        return None, errno_name(code)

    return calls, outcome


def elf(says: str = "ids") -> bytes:
    """The program that says `ids`, or the one that says `capabilities`."""
    return executable(_CODE[says])


def executable(content: bytes, entry: int = 0, writable: bool = False) -> bytes:
    """An executable of one segment, which lies at START: elf(5). entry: where in it the first instruction is."""
    size = START - _BASE + len(content)
    header = struct.pack("<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, 62, 1, START + entry, 64, 0, 0,
                         64, 56, 1, 64, 0, 0)
    # PF_R | PF_X, PF_W.
    segment = struct.pack("<IIQQQQQQ", 1, 7 if writable else 5, 0, _BASE, _BASE, size, size, 4096)
    return header + segment + content
