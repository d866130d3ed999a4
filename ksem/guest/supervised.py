"""A system call that seccomp hands to a supervisor, who answers in the kernel's stead (seccomp_unotify(2)).

Contract: the standard library, `executor` and `flags`. A reader as `readers` says: supervisor and supervised cannot wait for
the case's words, as one of them is stopped in its call. Structures: include/uapi/linux/seccomp.h.
"""

import os
import struct
from typing import Any, Dict, Sequence

from ksem.guest import flags
from ksem.guest.executor import CLOSE, EXIT_GROUP, PIPE2, READ, WAIT4, WALL, WRITE, At, Earlier, Outcome, Step, Task

_IOCTL, _OPENAT = 16, 257
_RECV, _SEND, _ADDFD = 0xC0502100, 0xC0182101, 0x40182103
_CONTINUE, _SETFD, _ADDFD_SEND = 1, 1, 2
# A descriptor that nobody has otherwise.
PLACE = 77
_ROOM = 64


def supervised(task: Task, listener: int, path: str, answer: str, number: int) -> Step:
    """Have a child open a path, to create it and read from it, and answer that in its stead.

    listener: of a filter that hands openat(2) over. answer: "errno" or "value" with the number that the call is to return,
    "continue", or "descriptor" of that number, which becomes PLACE in the child, or "descriptor at once", by one step.
    {"answer": "ok" or the errno of what was answered, "opened": "ok" or the errno that the child got, "content": what it
    read from there, or the errno}.
    """
    arena = task.arena
    first, then = _answers(answer, number)
    pair, notification = arena.put(bytes(8)), arena.put(bytes(80))
    name, content = arena.text(path), arena.reserve(_ROOM)
    child, fork = task.child([(_OPENAT, flags.AT_FDCWD, name, os.O_CREAT | os.O_CLOEXEC, 0o644),
                              (READ, Earlier(0), content, _ROOM), (EXIT_GROUP, 0)])
    # An answer begins with the notification's id; what follows is stored behind that by reading it from a pipe.
    calls = [(PIPE2, pair, os.O_CLOEXEC), (WRITE, At(pair + 4), arena.put(first[1] + then[1]), 32), fork,
             (_IOCTL, listener, _RECV, notification),
             (READ, At(pair), notification + 8, 16), (_IOCTL, listener, first[0], notification),
             (READ, At(pair), notification + 8, 16), (_IOCTL, listener, then[0], notification),
             (WAIT4, Earlier(2), 0, WALL, 0), (CLOSE, At(pair)), (CLOSE, At(pair + 4))]

    def outcome(results: Sequence[int]) -> Outcome:
        opened, read, _ = child.returned()
        seen: Dict[str, Any] = {"answer": _named(results[5]), "opened": _named(opened), "content": _named(read)}
        if read >= 0:
            seen["content"] = arena.take(content, read).decode()
        return seen, None

    return calls, outcome


def _answers(answer: str, number: int) -> Any:
    """Two requests, each with what follows the id: the answer, and what ends a call that is not answered by then."""
    # Whoever has been answered is not there any more, ENOENT: this is for a first request that fails.
    go_on = _SEND, struct.pack("=qiI", 0, 0, _CONTINUE)
    if answer == "errno":
        return (_SEND, struct.pack("=qiI", 0, -number, 0)), go_on
    if answer == "value":
        return (_SEND, struct.pack("=qiI", number, 0, 0)), go_on
    if answer == "descriptor":
        return (_ADDFD, struct.pack("=4I", _SETFD, number, PLACE, 0)), (_SEND, struct.pack("=qiI", PLACE, 0, 0))
    if answer == "descriptor at once":
        return (_ADDFD, struct.pack("=4I", _SETFD | _ADDFD_SEND, number, PLACE, 0)), go_on
    if answer == "continue":
        return go_on, go_on
    raise ValueError("no answer is %r" % answer)


def _named(returned: int) -> str:
    return "ok" if returned >= 0 else flags.errno_name(-returned)
