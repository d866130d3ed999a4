"""The processes of a case: each makes the system calls that it is told to make, one at a time.

Contract: the standard library and ksem.guest. Whoever runs `observe` is none of them, and tells all of them what to do: the
order of the calls is the order in which they are written, and the trace needs no clock.
"""

import functools
import struct
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from ksem.guest import readers, syscalls
from ksem.guest.case import Broken
from ksem.guest.executor import CLOSE, EXIT_GROUP, FULL, STACK, TURN, Call, Earlier, Gone, Outcome, Step, Task
from ksem.guest.flags import errno_name
from ksem.guest.numbers import NUMBERS
from ksem.guest.trace import Trace

# An open whose descriptor is closed at once: recorded as the two calls that it is.
TRY_OPEN = "try_open"
FORK = "fork"
# They return twice; given without a name, their child ends at once.
CLONES = ("clone", "clone3")
_ASKING = readers.ASKING | syscalls.ASKING


class Attempt:
    """Calls whose outcome is what the case wants to know: `ok`, or the name of the errno."""

    def __init__(self, process: "Process") -> None:
        self._process = process

    def __getattr__(self, call: str) -> Callable[..., str]:
        method = self.__dict__[call] = functools.partial(self._outcome, call)
        return method

    def _outcome(self, call: str, *given: Any) -> str:
        return self._process.issue(call, list(given))[1] or "ok"


class Bench:
    """What all processes of a case share: the trace, and calls that wait for others to be made with them in one turn.

    A turn costs two switches of processes, which an emulated machine feels; so a call that must succeed and returns nothing
    else waits until somebody wants to know something, or another process is to make a call.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.watched: Set[Process] = set()
        self._process: Optional[Process] = None
        # (call, what is given, whether it must succeed, what to make of what it returns)
        self._waiting: List[Tuple[str, List[Any], bool, Callable[[Sequence[int]], Outcome]]] = []
        self._calls: List[Tuple[Sequence[Call], bool]] = []
        self._count = 0

    def add(self, process: "Process", call: str, given: List[Any], must: bool) -> List[Outcome]:
        """One more call of a process; the outcomes of what had to be made before."""
        made: List[Outcome] = []
        full = self._count >= TURN or process.task.arena.top > FULL
        if process is not self._process or full or call in _ASKING:
            made = self.make()
            self._process = process
        if not self._waiting:
            process.task.arena.clear()
        calls, outcome = process.step(call, given)
        self._waiting.append((call, given, must, outcome))
        self._calls.append((calls, must))
        self._count += len(calls)
        return made

    def make(self) -> List[Outcome]:
        """Have all that waits made, and record it. Raises Broken for the first that must succeed and did not."""
        process, waiting, groups = self._process, self._waiting, self._calls
        if process is None or not waiting:
            return []
        self._process, self._waiting, self._calls, self._count = None, [], [], 0
        self._check(process)
        try:
            results = process.task.turn(groups)
        except Gone:
            raise Broken("the process %s is gone" % process.name) from None
        outcomes = []
        start = 0
        for (call, given, must, decode), (calls, _) in zip(waiting, groups):
            end = start + len(calls)
            outcome = decode(results[start:end])
            start = end
            process.record(call, given, *outcome)
            if must and outcome[1] is not None:
                raise Broken("%s: %s%r failed with %s" % (process.name, call, tuple(given), outcome[1]))
            outcomes.append(outcome)
        return outcomes

    def told(self) -> Dict[str, Any]:
        """What goes into an answer beside what was seen."""
        return {"trace": self.trace.events, "pids": self.trace.pids}

    def _check(self, process: "Process") -> None:
        """Raise Broken where what others see of a process in /proc would be this one's."""
        for other in self.watched:
            if other.task.memory is process.task.memory and other.task.dumpable != process.task.dumpable:
                raise Broken("%s may look at %s, which is%s dumpable: fork it apart" % (
                    process.name, other.name, "" if other.task.dumpable else " not"))


class Process:
    """A process of the case. Every call of `syscalls.SIGNATURES` and `readers.READERS` is a method of it.

    `process.mount(...)` must succeed (its value is returned; a failure makes the case broken);
    `process.attempt.mount(...)` returns "ok" or the errno's name.
    """

    def __init__(self, name: str, task: Task, namespaces: Dict[str, int], bench: Bench) -> None:
        self.name = name
        self.task = task
        self.namespaces = namespaces
        self.attempt = Attempt(self)
        self._bench = bench
        self._where = _where(namespaces)

    def __getattr__(self, call: str) -> Callable[..., Any]:
        if call not in syscalls.SIGNATURES and call not in readers.READERS:
            raise AttributeError("no call named %r: SIGNATURES in ksem/guest/syscalls.py lists them" % call)
        method = self.__dict__[call] = functools.partial(self._later if call in syscalls.SILENT else self._must, call)
        return method

    @property
    def pid(self) -> int:
        """Its process id, as whoever forked it sees it. Whoever asks may look at it, in /proc."""
        self._bench.make()
        self._bench.watched.add(self)
        return self.task.pid

    def issue(self, call: str, given: List[Any]) -> Outcome:
        """Make a call and record it: its value and None, or None and the errno's name."""
        self._bench.add(self, call, given, False)
        return self._bench.make()[-1]

    def batch(self, calls: Iterable[Tuple[Any, ...]]) -> List[Any]:
        """Several calls, each (name, argument, ...), in one go: each outcome as of an `attempt`, or what a reader read."""
        wanted = list(calls)
        return [error or (value if one[0] in readers.READERS else "ok")
                for one, (value, error) in zip(wanted, self._made(wanted, False))]

    def values(self, calls: Iterable[Tuple[Any, ...]]) -> List[Any]:
        """Several calls in one go, all of which must succeed: their values."""
        return [value for value, _ in self._made(calls, True)]

    def do(self, calls: Iterable[Tuple[Any, ...]]) -> None:
        """Several calls, all of which must succeed, whose values nobody wants."""
        for call in calls:
            self._bench.add(self, call[0], list(call[1:]), True)

    def try_open(self, path: str, flags: int, mode: int = 0) -> str:
        """Whether a path can be opened so: "ok" or the errno's name. Leaves no descriptor, which would keep a mount busy.

        In a batch: ("try_open", path, flags) or ("try_open", path, flags, mode).
        """
        return self.issue(TRY_OPEN, [path, flags, mode])[1] or "ok"

    def fork(self, name: str, apart: bool = False) -> "Process":
        """Another process, a child of this one, that waits for calls.

        apart: with memory of its own (`executor` says what hangs on it), which costs an emulated machine 10 ms.
        """
        self._bench.add(self, FORK, [name, apart], True)
        (value, _) = self._bench.make()[-1]
        return Process(name, value, dict(self.namespaces), self._bench)

    def clone(self, name: str, call: str, flags: int) -> "Process":
        """The same by `clone` or `clone3` with such flags: in new namespaces from its first moment.

        `attempt.clone3(flags)` makes a child that ends at once: whether that may be made.
        """
        self._bench.add(self, call, [flags, name], True)
        (value, _) = self._bench.make()[-1]
        child = Process(name, value, dict(self.namespaces), self._bench)
        child._entered(flags)
        return child

    def _entered(self, namespaces: int) -> None:
        """It is in new namespaces of these kinds."""
        self._bench.trace.unshared(self.namespaces, namespaces)
        self._where = _where(self.namespaces)

    def step(self, call: str, given: List[Any]) -> Step:
        """What a call takes, in the arena."""
        task = self.task
        if call in CLONES:
            return _cloning(task, call, *given)
        if call in syscalls.SIGNATURES:
            return syscalls.step(task, call, given)
        if call == TRY_OPEN:
            opening, outcome = syscalls.step(task, "open", _opening(given))
            # What cannot be opened is no descriptor, and closing it does nothing.
            return [*opening, (CLOSE, Earlier(0))], outcome
        if call == FORK:
            return _forking(task, given[1])
        return readers.READERS[call](task, *given)

    def record(self, call: str, given: List[Any], value: Any, error: Optional[str]) -> None:
        """A call that was made."""
        trace = self._bench.trace
        if call == TRY_OPEN:
            trace.record(self.name, self._where, "open", _opening(given), value, error)
            if error is None:
                trace.record(self.name, self._where, "close", [value], 0, None)
        elif call == FORK:
            if error is None:
                trace.pids[str(value.pid)] = given[0]
            trace.record(self.name, self._where, "fork", [], "<%s>" % given[0], error)
        elif call in CLONES:
            if error is None and given[1:]:
                trace.pids[str(value.pid)] = given[1]
            trace.record(self.name, self._where, call, given[:1], "<%s>" % given[1] if given[1:] else 0, error)
        else:
            trace.record(self.name, self._where, call, given, value, error)
            if call == "unshare" and error is None:
                self._entered(given[0])

    def _made(self, calls: Iterable[Tuple[Any, ...]], must: bool) -> List[Outcome]:
        """The outcomes of some calls, which may take more than one turn."""
        outcomes: List[Outcome] = []
        self._bench.make()
        for call in calls:
            outcomes += self._bench.add(self, call[0], list(call[1:]), must)
        return outcomes + self._bench.make()

    def _later(self, call: str, *given: Any) -> int:
        self._bench.add(self, call, list(given), True)
        return 0

    def _must(self, call: str, *given: Any) -> Any:
        self._bench.add(self, call, list(given), True)
        return self._bench.make()[-1][0]


def _forking(task: Task, apart: bool) -> Step:
    child, fork = task.child(apart=apart)
    return [fork], functools.partial(_child, child)


def _cloning(task: Task, call: str, wanted: int, name: str = "") -> Step:
    """A fork that takes flags; a child without a name ends at once, and is waited for (CLONE_VFORK)."""
    child, (number, shared, mailbox) = task.child(() if name else [(EXIT_GROUP, 0)])
    taken = wanted | shared | (0 if name else _CLONE_VFORK)
    if call == "clone":
        return [(number, taken, mailbox)], functools.partial(_child, child)
    # struct clone_args: the signal is a field of its own, and the stack has a size: it ends at the mailbox.
    arguments = struct.pack("=8Q", taken & ~0xFF, 0, 0, 0, taken & 0xFF, mailbox - STACK, STACK, 0)
    return [(NUMBERS[call], task.arena.put(arguments), len(arguments))], functools.partial(_child, child)


def _child(child: Task, results: Sequence[int]) -> Outcome:
    """The child that was made, or why it was not."""
    if results[0] < 0:
        return None, errno_name(-results[0])
    child.pid = results[0]
    return child, None


_CLONE_VFORK = 0x4000


def _opening(given: List[Any]) -> List[Any]:
    """The arguments of open(2) from those of try_open."""
    return given if len(given) == 3 else [*given, 0]


def _where(namespaces: Dict[str, int]) -> str:
    return " ".join("%s:%d" % item for item in sorted(namespaces.items()))
