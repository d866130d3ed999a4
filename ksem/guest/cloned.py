"""A child made by clone3(2) with what fork(2) cannot ask for, and what that child finds.

Contract: the standard library and `executor`. A reader as `readers` says: the child is made, looked into and gone in one step.
Structures and numbers are those of include/uapi/linux/sched.h.
"""

import struct
from typing import Any, Dict, List, Sequence

from ksem.guest import flags
from ksem.guest.executor import (
    CLOSE,
    EXIT_GROUP,
    OPEN,
    PIPE2,
    PRCTL,
    READ,
    STACK,
    WAIT4,
    WALL,
    WRITE,
    At,
    Call,
    Earlier,
    Outcome,
    Step,
    Task,
)

_RT_SIGACTION, _GETPID, _GETUID, _GETDENTS64, _CLONE3 = 13, 39, 102, 217, 435
_PR_GET_NO_NEW_PRIVS, _ROOM = 39, 4096
# One that the caller handles, and one that it ignores: SIGUSR1 and SIGUSR2.
_CAUGHT, _IGNORED = 10, 12
_HANDLERS = {0: "default", 1: "ignored"}


def run_cloned(task: Task, wanted: int, exit_signal: int, set_tid: int, cgroup: int) -> Step:
    """Make a child with these flags; set_tid, its process id, and cgroup, a descriptor, are 0 for none.

    {"uid": ..., "no_new_privs": bool, "root is empty": bool, "signals": [how SIGUSR1 and SIGUSR2 are taken], "cgroup": PATH, or
    "" if none was asked for, "id as asked": bool, "outlives its pidfd": bool, "left a zombie": bool}. The caller handles the
    first of the signals, ignores the second, and has no other children.
    """
    arena = task.arena
    report, word, pidfd = arena.put(bytes(8)), arena.put(bytes(8)), arena.put(b"\xff" * 8)
    byte = arena.put(bytes(8))
    finding = _Finding(task)
    # Each has one end of both pipes.
    child, (_, shared, mailbox) = task.child([
        (CLOSE, At(report)), (CLOSE, At(word + 4)), *finding.calls, (WRITE, At(report + 4), byte, 1), (READ, At(word), byte, 1),
        (WRITE, At(report + 4), byte, 1), (EXIT_GROUP, 0)])
    # It shares the memory, so that the signal is all that is left of what a fork takes, and needs a stack: it ends there.
    arguments = arena.put(struct.pack(
        "=11Q", wanted | shared & ~0xFF, pidfd if wanted & flags.CLONE3.PIDFD else 0, 0, 0, exit_signal,
        mailbox - STACK, STACK, 0, arena.put(struct.pack("=Q", set_tid)) if set_tid else 0, 1 if set_tid else 0, cgroup))
    calls: List[Call] = [
        (PIPE2, report, 0), (PIPE2, word, 0), (_RT_SIGACTION, _CAUGHT, finding.handled, 0, 8),
        (_RT_SIGACTION, _IGNORED, finding.ignored, 0, 8), (_CLONE3, arguments, 88), (CLOSE, At(report + 4)), (CLOSE, At(word)),
        (READ, At(report), byte, 1),
        # Whoever is killed by that never comes to write again.
        (CLOSE, At(pidfd)), (WRITE, At(word + 4), byte, 1), (READ, At(report), byte, 1), (WAIT4, Earlier(4), 0, WALL, 0),
        (CLOSE, At(report)), (CLOSE, At(word + 4))]

    def outcome(results: Sequence[int]) -> Outcome:
        if results[4] < 0:
            return None, flags.errno_name(-results[4])
        seen = finding.told(child.returned()[2:])
        # Where it is otherwise, and with which id, is the machine's own business.
        seen.update({"cgroup": seen["cgroup"] if cgroup else "", "id as asked": seen.pop("pid") == set_tid})
        return dict(seen, **{"outlives its pidfd": results[10] == 1, "left a zombie": results[11] > 0}), None

    return calls, outcome


class _Finding:
    """The calls by which a child learns what it is, and what they tell."""

    def __init__(self, task: Task) -> None:
        arena = task.arena
        self._arena = arena
        # struct sigaction: handler, flags, restorer, mask. The handler is never called: signals are blocked.
        self.handled, self.ignored = (arena.put(struct.pack("=4Q", handler, 0, 0, 0)) for handler in (arena.base, 1))
        self._taken = [arena.put(bytes(32)), arena.put(bytes(32))]
        self._names, self._cgroups = arena.reserve(_ROOM), arena.reserve(_ROOM)
        root, cgroups = arena.text("/"), arena.text("/proc/self/cgroup")
        self.calls: List[Call] = [
            (_GETUID,), (PRCTL, _PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), (_GETPID,),
            (_RT_SIGACTION, _CAUGHT, 0, self._taken[0], 8), (_RT_SIGACTION, _IGNORED, 0, self._taken[1], 8),
            (OPEN, root, 0, 0), (_GETDENTS64, Earlier(7), self._names, _ROOM),
            (OPEN, cgroups, 0, 0), (READ, Earlier(9), self._cgroups, _ROOM)]

    def told(self, returned: Sequence[int]) -> Dict[str, Any]:
        """What the child has learnt."""
        uid, no_new_privs, pid, _, _, _, names, _, cgroups = returned[:len(self.calls)]
        handlers = [struct.unpack("=Q", self._arena.take(place, 8))[0] for place in self._taken]
        lines = self._arena.take(self._cgroups, max(0, cgroups)).decode().splitlines()
        # Of struct linux_dirent64, "." and "..": 24 bytes each.
        return {"uid": uid, "no_new_privs": no_new_privs == 1, "root is empty": names == 48, "pid": pid,
                "signals": [_HANDLERS.get(handler, "caught") for handler in handlers],
                "cgroup": next((line[3:] for line in lines if line.startswith("0::")), "")}
