"""The processes of a case: each waits at a mailbox and makes the system calls that it finds there, raw.

Contract: the standard library only. A process that is an interpreter of its own would cost an emulated machine 10 ms to fork,
and more than a case asks for: threads, signal handlers, memory that is copied page by page. These are a loop of 140 bytes in
machine code. Whoever directs them writes calls into an arena, wakes the process, and reads what came back.

They share the memory of the interpreter that directs them (CLONE_VM, without CLONE_THREAD: each has its own credentials,
namespaces, descriptors and working directory), for a switch to another address space makes an emulated machine forget all
addresses. One thing that a process can be asked about belongs to its memory: whether it is dumpable (PR_SET_DUMPABLE in
prctl(2)), on which hangs who may look into its /proc. It is kept for each process, and set whenever its turn comes. Whoever
is to be looked at while another one differs in it is forked with memory of its own.
"""

import contextlib
import ctypes
import mmap
import os
import signal
import struct
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

# The loop of a process; rsp is its mailbox, and the stack that it never uses. Offsets: 0 state (0 waits, 1 is to work,
# 2 is done), 8 first call, 16 end of the calls, 24 how long to wait for work. A call is ten words: number, six
# arguments, result, where the first argument is to be taken from, and a mask: all ones where a failure ends the turn.
_LOOP = bytes.fromhex(
    "8b0424 83f801 7421"                                # wait: state == 1? then work
    "4889e7 31f6 89c2 4c8b542418 b8ca000000 0f05"       # futex(mailbox, FUTEX_WAIT, state, how long)
    "83f892 75e0 31ff b8e7000000 0f05"                  # ETIMEDOUT: exit_group(0), or wait on
    "488b5c2408"                                        # work: from the first call
    "483b5c2410 7339"                                   # next: to the end, then done
    "488b4b40 488b39 488b7310 488b5318 4c8b5320 4c8b4328 4c8b4b30 488b03"
    "4989e4 0f05 4939e4 75a3"                           # the call; on another stack we are its child, which waits
    "48894338 488b4b48 4883c350 4885c8 79c0"            # its result; next, unless it failed and must not
    "c7042402000000 4889e7 be01000000 89f2 b8ca000000 0f05"  # done: say so, futex(mailbox, FUTEX_WAKE, 1)
    "e975ffffff"
)
# long tell(mailbox, timespec): set the state to 1, wake, and go on as:
_TELL = bytes.fromhex("c70701000000 4989f0 be01000000 89f2 b8ca000000 0f05 4c89c6")
# long hear(mailbox, timespec): wait for the state 2; 0, -EINTR or -ETIMEDOUT.
_HEAR = bytes.fromhex("4989f2 31f6 8b17 31c0 83fa02 7411 b8ca000000 0f05 83f8fc 7405 83f892 75e6 4898 c3")
# long begin(mailbox, loop): clone(CLONE_VM | SIGCHLD) onto the mailbox; its process id.
_BEGIN = bytes.fromhex("4989f1 4889fe bf11010000 31d2 4531d2 4531c0 b838000000 0f05 85c0 7403 4898 c3 41ffe1")
ARCHITECTURE = "x86_64"
# The system calls that the runtime itself is made of (arch/x86/entry/syscalls/syscall_64.tbl).
READ, WRITE, OPEN, CLOSE, CLONE, EXIT_GROUP, WAIT4, PRCTL, PIPE2, DUP2 = 0, 1, 2, 3, 56, 231, 61, 157, 293, 33
# For wait4(2): whatever signal a child gives when it ends.
WALL = 0x40000000
_CLONE_VM, _PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 0x100, 3, 4
_CLOSE_RANGE, _ETIMEDOUT = 436, -110
# The arena: code and the time to wait on its first page, mailboxes, then the turn at hand: calls and what they point to.
SIZE = 4 << 20
_PATIENCE, _PULSE, _MAILBOXES, _ROOM = 1024, 1040, 4096, 32768
_MAILBOX = 64
# The size of a stack as clone3(2) wants to be told it: it ends at the mailbox, and nothing is ever on it.
STACK = _MAILBOX
_CALL, _RESULT = 80, 56
# How many calls one turn takes, and how full the arena may be for one more.
TURN, FULL = 700, SIZE // 2
# Calls after which a process may be dumpable no more, or again: setresuid, setresgid, capset, prctl, unshare, setns.
_CHANGING = frozenset((117, 119, 126, 157, 272, 308))
# The result of a call that was not made.
NOT_MADE = -(1 << 62)
# Seconds between two looks at whether a process that does not answer is still there.
PULSE = 0.05


class Gone(Exception):
    """The process ended, though it was not told to."""


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


_libc = ctypes.CDLL(None)
# What the arguments that a call does not have are, is nobody's business.
_ENTRIES = [struct.Struct("=%dq" % length).pack_into for length in range(8)]
_AFTER = struct.Struct("=3q").pack_into
_PLACE = struct.Struct("=QQ").pack_into


def prctl(option: int, value: int) -> int:
    """prctl(2) for this interpreter itself."""
    return int(_libc.prctl(ctypes.c_int(option), *(ctypes.c_ulong(word) for word in (value, 0, 0, 0))))


class Memory:
    """What processes share beside the arena: whether it is dumpable just now, 0 or 1."""

    def __init__(self, dumpable: int) -> None:
        self.dumpable = dumpable


# All but the two that are libc's own.
_SIGNALS = [number for number in range(1, signal.NSIG) if number not in (32, 33)]


def block_signals() -> Any:
    """Let no signal but SIGKILL reach this process and those that it forks: the handlers of an interpreter are not theirs."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


class Arena:
    """Memory that is shared by whoever directs and all processes."""

    def __init__(self) -> None:
        if os.uname().machine != ARCHITECTURE:
            raise OSError("processes of cases are made of %s machine code: not for %s" % (ARCHITECTURE, os.uname().machine))
        self.memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS,
                                prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        code = _LOOP + _TELL + _HEAR + _BEGIN
        self.memory[:len(code)] = code
        starts = (len(_LOOP), len(_LOOP + _TELL), len(_LOOP + _TELL + _HEAR))
        # The interpreter keeps its lock: nothing of it is to run meanwhile, least of all in a process that shares its memory.
        function = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_ulong, ctypes.c_ulong)
        self.tell, self.hear, self._begin = (function(self.base + start) for start in starts)
        # As it is now: what becomes of it under one case is not the next one's business.
        self._dumpable = prctl(_PR_GET_DUMPABLE, 0)
        self._shared = Memory(self._dumpable)
        self.pulse = self.base + _PULSE
        struct.pack_into("=qq", self.memory, _PULSE, 0, int(PULSE * 1e9))
        self.start(60.0)

    def start(self, patience: float) -> None:
        """Begin anew, with no process. One that hears nothing for so many seconds is abandoned, and ends."""
        struct.pack_into("=qq", self.memory, _PATIENCE, int(patience), 0)
        self._next = _MAILBOXES
        self.clear()

    def fork(self) -> "Task":
        """A child of this interpreter, without descriptors but the first three. Signals should be blocked (`block_signals`)."""
        self._restore()
        task = Task(self, self.mailbox(), self._shared)
        task.pid = self._begin(self.base + task.mailbox, self.base)
        if task.pid < 0:
            raise OSError(-task.pid, os.strerror(-task.pid), "fork")
        if task.calls(_CLOSING)[0]:
            # Before 5.9.
            task.calls([(CLOSE, number) for number in range(3, 256)])
        return task

    def _restore(self) -> None:
        if self._shared.dumpable != self._dumpable:
            prctl(_PR_SET_DUMPABLE, self._dumpable)
            self._shared.dumpable = self._dumpable

    @contextlib.contextmanager
    def process(self) -> Iterator["Task"]:
        """A process for a while, which leaves no other behind."""
        before = block_signals()
        try:
            self.start(60.0)
            task = self.fork()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            yield task
        finally:
            os.kill(task.pid, signal.SIGKILL)
            os.waitpid(task.pid, 0)
            self._restore()

    def mailbox(self) -> int:
        """The place of a new mailbox."""
        place = self._next
        if place >= _ROOM:
            raise OSError("a case may have %d processes" % ((_ROOM - _MAILBOXES) // _MAILBOX))
        self._next += _MAILBOX
        struct.pack_into("=4Q", self.memory, place, 0, 0, 0, self.base + _PATIENCE)
        return place

    def clear(self) -> None:
        """Forget the turn that is over."""
        self.top = _ROOM

    def put(self, data: bytes) -> int:
        """Bytes for the turn at hand; their address, a multiple of 8."""
        start = self.top
        end = start + len(data)
        if end > SIZE - 65536:
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
        return self.memory[start:start + size]


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
        before: List[Tuple[Sequence[Call], bool]] = [([(PRCTL, _PR_SET_DUMPABLE, self.dumpable)], False)] if own else []
        changing = any(call[0] in _CHANGING for calls, _ in groups for call in calls)
        place = self._write([*before, *groups, (_LOOK, False)] if changing else [*before, *groups])
        self._go()
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
        child = Task(self.arena, self.arena.mailbox(), Memory(self.dumpable) if apart else self.memory)
        child.dumpable = self.dumpable
        if wanted:
            child._first = (child._write([(wanted, False)]), len(wanted))
            struct.pack_into("=I", self.arena.memory, child.mailbox, 1)
        return child, (CLONE, signal.SIGCHLD | (0 if apart else _CLONE_VM), self.arena.base + child.mailbox)

    def returned(self) -> Sequence[int]:
        """What the calls returned that it was made with, NOT_MADE for those that it did not come to."""
        place, count = self._first
        return struct.unpack_from("=%dq" % (10 * count), self.arena.memory, place)[7::10]

    def _write(self, groups: Sequence[Tuple[Sequence[Call], bool]]) -> int:
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
                    source = given.address - base if given.__class__ is At else first + given.index * _CALL + _RESULT
                    call = (call[0], 0, *call[2:])
                _ENTRIES[length](memory, place, *call)
                _AFTER(memory, place + _RESULT, NOT_MADE, base + source, mask)
                place += _CALL
        arena.top = place
        _PLACE(memory, self.mailbox + 8, base + start, base + place)
        return start

    def _go(self) -> None:
        arena = self.arena
        mailbox = arena.base + self.mailbox
        answer = arena.tell(mailbox, arena.pulse)
        while answer:
            if answer == _ETIMEDOUT and self._ended():
                raise Gone
            answer = arena.hear(mailbox, arena.pulse)

    def _ended(self) -> bool:
        """Whether the process is no more, or waits to be reaped."""
        try:
            with open("/proc/%d/stat" % self.pid) as status:
                return status.read().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True


_CLOSING = ((_CLOSE_RANGE, 3, 0xFFFFFFFF, 0),)
_LOOK = ((PRCTL, _PR_GET_DUMPABLE),)
