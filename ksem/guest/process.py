"""The processes of a case: each makes the system calls that it is told to make, one at a time.

Contract: the standard library and ksem.guest. `Process` is the case's own process; `fork` gives another that waits
for calls on a socket. All of them are driven by the one that runs `observe`, so the order of the calls is the
order in which they are written, and the trace needs no clock.
"""

import array
import fcntl
import functools
import marshal
import os
import socket
from typing import Any, Callable, Dict, Iterable, List, NoReturn, Optional, Sequence, Tuple

from ksem.guest import readers, syscalls
from ksem.guest.case import Broken
from ksem.guest.trace import Trace

# Descriptors from here on are ours; a case sees 0, 1, 2 and its own from 3 on, whatever runs it.
PRIVATE = 200
MESSAGE = 1 << 17
# An open whose descriptor is closed at once: recorded as the two calls that it is.
TRY_OPEN = "try_open"
Outcome = Tuple[Any, Optional[str]]


class Attempt:
    """Calls whose outcome is what the case wants to know: `ok`, or the name of the errno."""

    def __init__(self, process: "Process") -> None:
        self._process = process

    def __getattr__(self, call: str) -> Callable[..., str]:
        method = self.__dict__[call] = functools.partial(self._outcome, call)
        return method

    def _outcome(self, call: str, *given: Any) -> str:
        return self._process.issue(call, list(given))[1] or "ok"


class Process:
    """A process of the case. Every call of `syscalls.SIGNATURES` and `readers.READERS` is a method of it.

    `process.mount(...)` must succeed (its value is returned; a failure makes the case broken);
    `process.attempt.mount(...)` returns "ok" or the errno's name.
    """

    def __init__(self, name: str, pid: int, namespaces: Dict[str, int], trace: Trace) -> None:
        self.name = name
        self.pid = pid
        self.namespaces = namespaces
        self.attempt = Attempt(self)
        self._trace = trace
        self._where = _where(namespaces)
        trace.pids[str(pid)] = name

    def __getattr__(self, call: str) -> Callable[..., Any]:
        if call not in syscalls.SIGNATURES and call not in readers.READERS:
            raise AttributeError("no call named %r: SIGNATURES in ksem/guest/syscalls.py lists them" % call)
        method = self.__dict__[call] = functools.partial(self._must, call)
        return method

    def issue(self, call: str, given: List[Any]) -> Tuple[Any, Optional[str]]:
        """Make a call and record it: its value and None, or None and the errno's name."""
        value, error = perform(call, given)
        self._record(call, given, value, error)
        return value, error

    def batch(self, calls: Iterable[Tuple[Any, ...]]) -> List[Any]:
        """Several calls, each (name, argument, ...), in one go: for each its outcome as of an `attempt`, or what a reader read.

        A call of a child costs two switches of processes, which an emulated machine feels: a table is cheaper in one batch.
        """
        return [error or (value if call in readers.READERS else "ok") for call, _, value, error in self._performed(calls)]

    def values(self, calls: Iterable[Tuple[Any, ...]]) -> List[Any]:
        """Several calls in one go, all of which must succeed: their values."""
        done = self._performed(calls)
        for call, given, _, error in done:
            self._demand(call, given, error)
        return [value for _, _, value, _ in done]

    def _performed(self, calls: Iterable[Tuple[Any, ...]]) -> List[Tuple[str, List[Any], Any, Optional[str]]]:
        wanted = [(call[0], list(call[1:])) for call in calls]
        done = [(call, given, *outcome) for (call, given), outcome in zip(wanted, self._perform(wanted))]
        for one in done:
            self._record(*one)
        return done

    def _record(self, call: str, given: List[Any], value: Any, error: Optional[str]) -> None:
        if call == TRY_OPEN:
            self._trace.record(self.name, self._where, "open", [*given, 0], value, error)
            if error is None:
                self._trace.record(self.name, self._where, "close", [value], 0, None)
            return
        self._trace.record(self.name, self._where, call, given, value, error)
        if call == "unshare" and error is None:
            self._trace.unshared(self.namespaces, given[0])
            self._where = _where(self.namespaces)

    def try_open(self, path: str, flags: int) -> str:
        """Whether a path can be opened so: "ok" or the errno's name. Leaves no descriptor, which would keep a mount busy.

        In a batch: ("try_open", path, flags).
        """
        return self.issue(TRY_OPEN, [path, flags])[1] or "ok"

    def fork(self, name: str) -> "Child":
        """Another process, a child of this one, that waits for calls."""
        # Moved before the fork: a child that held its own parent's end would never see it close.
        ours, theirs = map(private, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        pid = self._fork(theirs)
        theirs.close()
        child = Child(name, pid, dict(self.namespaces), self._trace, ours)
        self._trace.record(self.name, self._where, "fork", [], "<%s>" % name, None)
        return child

    def _must(self, call: str, *given: Any) -> Any:
        value, error = self.issue(call, list(given))
        self._demand(call, given, error)
        return value

    def _demand(self, call: str, given: Sequence[Any], error: Optional[str]) -> None:
        if error is not None:
            raise Broken("%s: %s%r failed with %s" % (self.name, call, tuple(given), error))

    def _perform(self, calls: List[Tuple[str, List[Any]]]) -> List[Outcome]:
        return [perform(call, given) for call, given in calls]

    def _fork(self, theirs: socket.socket) -> int:
        return _forked(theirs)


class Child(Process):
    """A process that waits for calls on a socket."""

    def __init__(self, name: str, pid: int, namespaces: Dict[str, int], trace: Trace,
                 control: socket.socket) -> None:
        super().__init__(name, pid, namespaces, trace)
        self._control = control

    def issue(self, call: str, given: List[Any]) -> Tuple[Any, Optional[str]]:
        """Have the process make a call, and record it."""
        value, error = self._perform([(call, given)])[0]
        self._record(call, given, value, error)
        return value, error

    def _perform(self, calls: List[Tuple[str, List[Any]]]) -> List[Outcome]:
        return list(self._ask(calls, None))

    def _fork(self, theirs: socket.socket) -> int:
        return int(self._ask([], theirs))

    def _ask(self, request: List[Any], passed: Optional[socket.socket]) -> Any:
        rights = [] if passed is None else [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [passed.fileno()]))]
        try:
            message = marshal.dumps(request)
            if rights:
                self._control.sendmsg([message], rights)
            else:
                self._control.send(message)
            answer = self._control.recv(MESSAGE)
        except OSError:
            answer = b""
        if not answer:
            raise Broken("the process %s is gone" % self.name)
        return marshal.loads(answer)


def _where(namespaces: Dict[str, int]) -> str:
    return " ".join("%s:%d" % item for item in sorted(namespaces.items()))


def perform(call: str, given: List[Any]) -> Outcome:
    """A system call, or a reader, in this very process."""
    if call in syscalls.SIGNATURES:
        return syscalls.execute(call, given)
    if call == TRY_OPEN:
        value, error = syscalls.execute("open", [*given, 0])
        if error is None:
            syscalls.execute("close", [value])
        return value, error
    try:
        return readers.READERS[call](*given), None
    except OSError as error:
        return None, readers.errno_name(error)


def private(sock: socket.socket) -> socket.socket:
    """The same socket under a number that no case will meet."""
    moved = socket.socket(sock.family, sock.type, 0, fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, PRIVATE))
    sock.close()
    return moved


def _forked(theirs: socket.socket) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _serve(_only(theirs))
        finally:
            os._exit(1)
    return pid


def _only(control: socket.socket) -> socket.socket:
    """Drop what belongs to the parent: a socket kept open would hide that its owner died."""
    # By number: a process that changed its user cannot list its own /proc/self/fd.
    os.closerange(PRIVATE, control.fileno())
    os.closerange(control.fileno() + 1, PRIVATE + 256)
    return control


def _serve(control: socket.socket) -> NoReturn:
    while True:
        request, passed = _receive(control)
        if not request:
            os._exit(0)
        if passed is not None:
            answer: Any = _forked(passed)
            passed.close()
        else:
            answer = [perform(call, given) for call, given in marshal.loads(request)]
        control.send(marshal.dumps(answer))


def _receive(control: socket.socket) -> Tuple[bytes, Optional[socket.socket]]:
    data, ancillary, _, _ = control.recvmsg(MESSAGE, socket.CMSG_LEN(4))
    for _, _, content in ancillary:
        descriptor = array.array("i", content[:4])[0]
        return data, private(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, descriptor))
    return data, None
