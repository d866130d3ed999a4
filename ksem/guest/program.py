"""A program to be run from a case, and how it is run: it says as which user it runs, and ends.

Contract: the standard library and `executor`. What a set-id bit does shows only in a program that is executed; a guest has no
small one and an interpreter is slow to start: this is one of 160 bytes, in machine code, that needs nothing but the kernel.
"""

import errno
import os
import struct
from typing import Sequence

from ksem.guest.executor import CLOSE, EXIT_GROUP, READ, WAIT4, At, Earlier, Outcome, Step, Task

_BASE = 0x400000
_HEADERS = 64 + 56
# int ids[4] = {getegid(), 0, geteuid(), 0}; write(1, ids, 16); exit(0)
_CODE = bytes.fromhex(
    "b86b0000000f0550" "b86c0000000f0550" "b801000000bf010000004889e6ba100000000f05" "b83c00000031ff0f05")
_DUP2, _EXECVE, _PIPE2, _WALL = 33, 59, 293, 0x40000000


def run_program(task: Task, path: str) -> Step:
    """Have a process execute it in a child: {"euid": ..., "egid": ...} as the child had them, or the errno of execve."""
    arena = task.arena
    pair = arena.put(bytes(8))
    said = arena.reserve(16)
    name = arena.put(path.encode("utf-8", "surrogateescape") + b"\0")
    arguments = arena.put(struct.pack("=QQ", name, 0))
    # It goes on only where it could not be executed, and says why: what execve returned.
    why = arena.reserve(8)
    execute = Earlier(1)
    _, fork = task.child([(_DUP2, At(pair + 4), 1), (_EXECVE, name, arguments, arguments + 8), (EXIT_GROUP, execute)])
    calls = [(_PIPE2, pair, os.O_CLOEXEC), fork, (CLOSE, At(pair + 4)), (READ, At(pair), said, 16), (CLOSE, At(pair)),
             (WAIT4, Earlier(1), why, _WALL, 0)]

    def outcome(results: Sequence[int]) -> Outcome:
        if results[3] == 16:
            egid, _, euid, _ = struct.unpack("=4I", arena.take(said, 16))
            return {"euid": euid, "egid": egid}, None
        # The exit status is the negative errno, of which eight bits are kept.
        code = 256 - arena.take(why, 2)[1]
        return None, errno.errorcode.get(code, str(code))

    return calls, outcome


def elf() -> bytes:
    """The program: an executable of one segment, elf(5)."""
    size = _HEADERS + len(_CODE)
    header = struct.pack("<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, 62, 1, _BASE + _HEADERS, 64, 0, 0,
                         64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 4096)
    return header + segment + _CODE
