"""The processes of a case: each waits at a mailbox and makes the system calls that it finds there, raw.

Contract: the standard library only. A process that is an interpreter of its own would cost an emulated machine 10 ms to fork,
and more than a case asks for: threads, signal handlers, memory that is copied page by page. These are a loop of 140 bytes in
machine code. Whoever directs them writes calls into an arena, wakes the process, and reads what came back.

They share the memory of the interpreter that directs them (CLONE_VM, without CLONE_THREAD: each has its own credentials,
namespaces, descriptors and working directory), for a switch to another address space makes an emulated machine forget all
addresses. One thing that a process can be asked about belongs to its memory: whether it is dumpable (PR_SET_DUMPABLE in
prctl(2)), on which hangs who may look into its /proc. It is kept for each process, and set whenever its turn comes. Whoever
is to be looked at while another one differs in it is forked with memory of its own.

Whoever directs is an interpreter beside them (`beside`), or one outside their machine that sees the same memory (`outside`).
"""

import abc
import os
import signal
import struct
from typing import Any, Callable, ContextManager, Dict, List, NamedTuple, Optional, Sequence, Tuple

ARCHITECTURE = "x86_64"
# The system calls that the runtime itself is made of (arch/x86/entry/syscalls/syscall_64.tbl).
READ, WRITE, OPEN, CLOSE, CLONE, EXIT_GROUP, WAIT4, PRCTL, PIPE2, DUP2 = 0, 1, 2, 3, 56, 231, 61, 157, 293, 33
# For wait4(2): whatever signal a child gives when it ends.
WALL = 0x40000000
CLONE_VM, PR_GET_DUMPABLE, PR_SET_DUMPABLE = 0x100, 3, 4
_CLOSE_RANGE = 436
# The arena: code and times to wait on its first page, mailboxes, then the turn at hand: calls and what they point to; at its
# end, what whoever directs keeps there.
SIZE = 4 << 20
_PATIENCE, _PULSE, _MAILBOXES, _ROOM = 1024, 1040, 4096, 32768
OWN = SIZE - 65536
_MAILBOX = 64
# The size of a stack as clone3(2) wants to be told it: it ends at the mailbox, and nothing is ever on it.
STACK = _MAILBOX
# Bytes of a call as `native.MAKE` takes it, and where its result comes to be in it.
CALL_SIZE, RESULT_AT = 80, 56
# How many calls one turn takes, and how full the arena may be for one more.
TURN, FULL = 700, SIZE // 2
# Calls after which a process may be dumpable no more, or again: setresuid, setresgid, capset, prctl, unshare, setns.
_CHANGING = frozenset((117, 119, 126, 157, 272, 308))
# Which has no name in Python.
CLOCK_REALTIME_COARSE = 5
# The result of a call that was not made.
NOT_MADE = -(1 << 62)
# Seconds between two looks at whether a process that does not answer is still there.
PULSE = 0.05


class Gone(Exception):
    """The process ended, though it was not told to."""


class Dead(BaseException):
    """The machine is no more, or does not answer: nobody is to take it for a case's own failure."""


class Earlier:
    """As the first argument of a call: what an earlier call returned, counted from the first of its step."""

    def __init__(self, number: int) -> None:
        self.index = number


class At:
    """As the first argument of a call: what lies at an address when the call is made."""

    def __init__(self, address: int) -> None:
        self.address = address


Call = Sequence[Any]
Outcome = Tuple[Any, Optional[str]]


# Calls that belong together, and what to make of what they return: a value, or the name of an errno.
Step = Tuple[Sequence[Call], Callable[[Sequence[int]], Outcome]]


# What the arguments that a call does not have are, is nobody's business.
_ENTRIES = [struct.Struct("=%dq" % length).pack_into for length in range(8)]
_AFTER = struct.Struct("=3q").pack_into
_PLACE = struct.Struct("=QQ").pack_into


class Memory:
    """What processes share beside the arena: whether it is dumpable just now, 0 or 1."""

    def __init__(self, dumpable: int) -> None:
        self.dumpable = dumpable


class Surroundings(NamedTuple):
    """What a director has to know of the machine that processes run on.

    uid, gid: whose they are at first. table: the length of /proc/self/mountinfo. dumpable: whether their memory is. alone:
    whether nobody else lives on it.
    """

    uid: int
    gid: int
    release: str
    table: int
    dumpable: int
    alone: bool


class Arena(abc.ABC):
    """Memory that is shared by whoever directs and all processes.

    memory: SIZE bytes that can be written to. base: their address for the processes.
    """

    def __init__(self, memory: Any, base: int, around: Surroundings) -> None:
        self.memory, self.base, self.around = memory, base, around
        # Modules, by the paths that they are to have while the kernel takes them; others are there.
        self.files: Dict[str, Any] = {}
        self.shared = Memory(around.dumpable)
        self.pulse = base + _PULSE
        struct.pack_into("=qq", memory, _PULSE, 0, int(PULSE * 1e9))
        self.start(60.0)

    @abc.abstractmethod
    def begin(self, place: int) -> int:
        """Make a child of whoever is the parent of all, on a mailbox: its process id or -errno."""

    @abc.abstractmethod
    def go(self, task: "Task") -> None:
        """Have a process make the calls in its mailbox. Raises Gone."""

    @abc.abstractmethod
    def reap(self, pid: int) -> None:
        """Kill the process that was begun, and all that it left behind."""

    @abc.abstractmethod
    def content(self, path: str) -> Optional[bytes]:
        """A file of the machine, as whoever is the parent of all sees it; None if there is none."""

    def read(self, path: str) -> Optional[str]:
        """The same as a text."""
        found = self.content(path)
        return None if found is None else found.decode("utf-8", "surrogateescape")

    @abc.abstractmethod
    def write(self, path: str, content: Any) -> None:
        """Make a file of the machine, of any bytes. Raises OSError. Not while a case is run."""

    @abc.abstractmethod
    def keep(self, path: str) -> None:
        """Have whoever is the parent of all hold it open from now on."""

    @abc.abstractmethod
    def process(self) -> ContextManager["Task"]:
        """A process for a while, which leaves no other behind, while no case is run."""

    @abc.abstractmethod
    def executable(self, path: str) -> bool:
        """Whether that is a program which whoever is the parent of all may run."""

    @abc.abstractmethod
    def tick(self) -> None:
        """Wait until the machine's clock that stamps files has moved on."""

    @abc.abstractmethod
    def recover(self) -> None:
        """After a director died: see that no process is left."""

    def patience(self, memory: Memory) -> int:
        """Where it is written how long a process with that memory waits for work: its address."""
        return self.base + _PATIENCE

    def start(self, patience: float) -> None:
        """Begin anew, with no process. One that hears nothing for so many seconds is abandoned, and ends."""
        struct.pack_into("=qq", self.memory, _PATIENCE, int(patience), 0)
        self._next = _MAILBOXES
        self.clear()

    def fork(self) -> "Task":
        """A child of the parent of all, with no descriptors but the first three. Signals are to be blocked by then."""
        task = Task(self, self.mailbox(self.shared), self.shared)
        # As it was at first: what becomes of it under one case is not the next one's business.
        task.dumpable = self.around.dumpable
        task.pid = self.begin(task.mailbox)
        if task.pid < 0:
            raise OSError(-task.pid, os.strerror(-task.pid), "fork")
        if task.calls(_CLOSING)[0]:
            # Before 5.9.
            task.calls([(CLOSE, number) for number in range(3, 256)])
        return task

    def mailbox(self, memory: Memory) -> int:
        """The place of a new mailbox, for a process with that memory."""
        place = self._next
        if place >= _ROOM:
            raise OSError("a case may have %d processes" % ((_ROOM - _MAILBOXES) // _MAILBOX))
        self._next += _MAILBOX
        struct.pack_into("=4Q", self.memory, place, 0, 0, 0, self.patience(memory))
        return place

    def clear(self) -> None:
        """Forget the turn that is over."""
        self.top = _ROOM

    def put(self, data: bytes) -> int:
        """Bytes for the turn at hand; their address, a multiple of 8."""
        start = self.top
        end = start + len(data)
        if end > OWN:
            raise OSError("a turn may hold %d bytes" % SIZE)
        self.memory[start:end] = data
        self.top = (end + 7) & ~7
        return self.base + start

    def text(self, value: str) -> int:
        """A text for the turn at hand, as C has it; its address."""
        return self.put(value.encode("utf-8", "surrogateescape") + b"\0")

    def reserve(self, size: int) -> int:
        """Room for the turn at hand, whatever is in it; its address."""
        start = self.top
        self.top = (start + size + 7) & ~7
        return self.base + start

    def take(self, address: int, size: int) -> bytes:
        """What is at an address now."""
        start = address - self.base
        return bytes(self.memory[start:start + size])


class Task:
    """One process. pid: as whoever forked it sees it."""

    def __init__(self, arena: Arena, mailbox: int, memory: Memory) -> None:
        self.arena = arena
        self.pid = 0
        self.mailbox = mailbox
        self.memory = memory
        self.dumpable = memory.dumpable
        self._first: Tuple[int, int] = (0, 0)

    def calls(self, wanted: Sequence[Call]) -> Sequence[int]:
        """Make calls, (number, argument, ...) each: what each returned, -errno for a failure. Raises Gone."""
        return self.turn([(wanted, False)])

    def make(self, step: Callable[..., Step], *given: Any) -> Outcome:
        """Make one step, given as what builds it: its value and None, or None and the name of the errno. Raises Gone."""
        self.arena.clear()
        calls, outcome = step(self, *given)
        return outcome(self.calls(calls))

    def turn(self, groups: Sequence[Tuple[Sequence[Call], bool]]) -> Sequence[int]:
        """Make the calls of several steps in one go; a step that must succeed ends the turn when one of its calls fails.

        What each call returned, -errno for a failure, NOT_MADE after the end. Raises Gone.
        """
        # The first and the last are ours: the memory becomes this process's, and what has become of it is seen.
        own = self.dumpable != self.memory.dumpable
        before: List[Tuple[Sequence[Call], bool]] = [([(PRCTL, PR_SET_DUMPABLE, self.dumpable)], False)] if own else []
        changing = any(call[0] in _CHANGING for calls, _ in groups for call in calls)
        place = self.write([*before, *groups, (_LOOK, False)] if changing else [*before, *groups])
        self.arena.go(self)
        results = struct.unpack_from("=%dq" % ((self.arena.top - place) // 8), self.arena.memory, place)[7::10]
        self.memory.dumpable = self.dumpable
        if changing:
            # 2, for memory that only root may see dumped (fs.suid_dumpable), is no different to those who look into /proc.
            self.dumpable = self.memory.dumpable = int(results[-1] == 1)
        return results[own:]

    def fork(self, apart: bool = False) -> "Task":
        """A child of this process, which waits in its turn; apart: with memory of its own. Raises OSError."""
        child, call = self.child(apart=apart)
        pid = self.calls([call])[0]
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid), "fork")
        child.pid = pid
        return child

    def child(self, wanted: Sequence[Call] = (), apart: bool = False) -> Tuple["Task", Call]:
        """A process to be, and the call that makes it a child of this one. One that has work at once is not heard of again."""
        memory = Memory(self.dumpable) if apart else self.memory
        child = Task(self.arena, self.arena.mailbox(memory), memory)
        child.dumpable = self.dumpable
        if wanted:
            child._first = (child.write([(wanted, False)]), len(wanted))
            struct.pack_into("=I", self.arena.memory, child.mailbox, 1)
        return child, (CLONE, signal.SIGCHLD | (0 if apart else CLONE_VM), self.arena.base + child.mailbox)

    def returned(self) -> Sequence[int]:
        """What the calls returned that it was made with, NOT_MADE for those that it did not come to."""
        place, count = self._first
        return struct.unpack_from("=%dq" % (10 * count), self.arena.memory, place)[7::10]

    def write(self, groups: Sequence[Tuple[Sequence[Call], bool]]) -> int:
        """Calls into the arena, and where they are into the mailbox; their place, up to the arena's top."""
        arena = self.arena
        memory, base = arena.memory, arena.base
        start = place = arena.top
        for calls, must in groups:
            first = place
            mask = -1 if must else 0
            for call in calls:
                source = place + 8
                length = len(call)
                if length > 1 and call[1].__class__ is not int:
                    given = call[1]
                    source = given.address - base if given.__class__ is At else first + given.index * CALL_SIZE + RESULT_AT
                    call = (call[0], 0, *call[2:])
                _ENTRIES[length](memory, place, *call)
                _AFTER(memory, place + RESULT_AT, NOT_MADE, base + source, mask)
                place += CALL_SIZE
        arena.top = place
        _PLACE(memory, self.mailbox + 8, base + start, base + place)
        return start


_CLOSING = ((_CLOSE_RANGE, 3, 0xFFFFFFFF, 0),)
_LOOK = ((PRCTL, PR_GET_DUMPABLE),)


def over(status: Optional[str]) -> bool:
    """Whether /proc/PID/stat, None if there is none, tells of a process that is no more, but for who waits for it."""
    return status is None or status.rpartition(")")[2].split()[0] in "ZX"
