"""Processes of a case that are children of the interpreter that directs them, and share its memory.

Contract: the standard library, `executor` and `native`.
"""

import contextlib
import ctypes
import mmap
import os
import signal
import time
from typing import Any, Iterator, List, Optional

from ksem.guest.executor import (
    ARCHITECTURE,
    CLOCK_REALTIME_COARSE,
    PR_GET_DUMPABLE,
    PR_SET_DUMPABLE,
    SIZE,
    Arena,
    Gone,
    Surroundings,
    Task,
    over,
)
from ksem.guest.native import KEEP, MAKE, block_signals, prctl

# The loop of a process; rsp is its mailbox, and the stack that it never uses. Offsets: 0 state (0 waits, 1 is to work,
# 2 is done), 8 first call, 16 end of the calls, 24 how long to wait for work. A call is ten words: number, six
# arguments, result, where the first argument is to be taken from, and a mask: all ones where a failure ends the turn.
_LOOP = bytes.fromhex(
    "8b0424 83f801 7421"                                # wait: state == 1? then work
    "4889e7 31f6 89c2 4c8b542418 b8ca000000 0f05"       # futex(mailbox, FUTEX_WAIT, state, how long)
    "83f892 75e0 31ff b8e7000000 0f05"                  # ETIMEDOUT: exit_group(0), or wait on
    "488b5c2408"                                        # work: from the first call
    "483b5c2410 7339"                                   # next: to the end, then done
) + MAKE + bytes.fromhex("75a3") + KEEP + bytes.fromhex(  # on another stack we are its child, which waits
    "79c0"                                              # next, unless it failed and must not
    "c7042402000000 4889e7 be01000000 89f2 b8ca000000 0f05"  # done: say so, futex(mailbox, FUTEX_WAKE, 1)
    "e975ffffff"
)
# long tell(mailbox, timespec): set the state to 1, wake, and go on as:
_TELL = bytes.fromhex("c70701000000 4989f0 be01000000 89f2 b8ca000000 0f05 4c89c6")
# long hear(mailbox, timespec): wait for the state 2; 0, -EINTR or -ETIMEDOUT.
_HEAR = bytes.fromhex("4989f2 31f6 8b17 31c0 83fa02 7411 b8ca000000 0f05 83f8fc 7405 83f892 75e6 4898 c3")
# long begin(mailbox, loop): clone(CLONE_VM | SIGCHLD) onto the mailbox; its process id.
_BEGIN = bytes.fromhex("4989f1 4889fe bf11010000 31d2 4531d2 4531c0 b838000000 0f05 85c0 7403 4898 c3 41ffe1")
_ETIMEDOUT = -110


class Beside(Arena):
    """Of an interpreter that is the parent of all processes, and whose memory they share."""

    def __init__(self) -> None:
        if os.uname().machine != ARCHITECTURE:
            raise OSError("processes of cases are made of %s machine code: not for %s" % (ARCHITECTURE, os.uname().machine))
        memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS,
                           prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        code = _LOOP + _TELL + _HEAR + _BEGIN
        memory[:len(code)] = code
        starts = (len(_LOOP), len(_LOOP + _TELL), len(_LOOP + _TELL + _HEAR))
        # The interpreter keeps its lock: nothing of it is to run meanwhile, least of all in a process that shares its memory.
        function = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_ulong, ctypes.c_ulong)
        self._tell, self._hear, self._begin = (function(base + start) for start in starts)
        super().__init__(memory, base, _surroundings())

    def begin(self, place: int) -> int:
        """See Arena."""
        self._restore()
        return int(self._begin(self.base + place, self.base))

    def go(self, task: Task) -> None:
        """See Arena."""
        mailbox = self.base + task.mailbox
        answer = self._tell(mailbox, self.pulse)
        while answer:
            if answer == _ETIMEDOUT and over(self.read("/proc/%d/stat" % task.pid)):
                raise Gone
            answer = self._hear(mailbox, self.pulse)

    def reap(self, pid: int) -> None:
        """See Arena."""
        reap(pid)

    def content(self, path: str) -> Optional[bytes]:
        """See Arena."""
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError:
            return None

    def write(self, path: str, content: Any) -> None:
        """See Arena."""
        with open(path, "wb") as file:
            file.write(content)

    def keep(self, path: str) -> None:
        """See Arena."""
        os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def executable(self, path: str) -> bool:
        """See Arena."""
        return os.access(path, os.X_OK)

    def tick(self) -> None:
        """See Arena."""
        start = time.clock_gettime(CLOCK_REALTIME_COARSE)
        while time.clock_gettime(CLOCK_REALTIME_COARSE) == start:
            time.sleep(0.001)

    def recover(self) -> None:
        """They were the director's children, and so are ours."""
        reap(0)

    @contextlib.contextmanager
    def process(self) -> Iterator[Task]:
        """See Arena."""
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

    def _restore(self) -> None:
        if self.shared.dumpable != self.around.dumpable:
            prctl(PR_SET_DUMPABLE, self.around.dumpable)
            self.shared.dumpable = self.around.dumpable


def reap(pid: int) -> int:
    """Kill a child and all others, down to whatever they left behind: orphans are ours, one generation after another.

    The wait status of the first, if there is one (0: none).
    """
    status = 0
    children = [pid] if pid else _children()
    while children:
        for child in children:
            _kill(child)
        for child in children:
            code = os.waitpid(child, 0)[1]
            status = code if child == pid else status
        children = _children() if _has_children() else []
    return status


def _has_children() -> bool:
    """Whether there is any child: cheaper than to ask which."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _children() -> List[int]:
    with open("/proc/self/task/%d/children" % os.getpid()) as file:
        return [int(word) for word in file.read().split()]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _surroundings() -> Surroundings:
    """Of this very machine."""
    with open("/proc/self/mountinfo") as table:
        length = len(table.read())
    return Surroundings(os.geteuid(), os.getegid(), os.uname().release, length, prctl(PR_GET_DUMPABLE, 0), os.getpid() == 1)
