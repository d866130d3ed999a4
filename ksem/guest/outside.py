"""Directs the processes of cases from outside of their machine, by way of memory that both see and of a `proxy` in it.

Contract: the standard library and ksem.guest; it runs on the host, where an interpreter is not emulated, with the agent's own
code: `observe` knows nothing of where it runs. The proxy is the parent of all processes, in the director's stead.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import resource
import select
import socket
import struct
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ksem.guest import agent
from ksem.guest.executor import (
    CLOCK_REALTIME_COARSE,
    CLONE,
    CLONE_VM,
    CLOSE,
    OPEN,
    OWN,
    PR_SET_DUMPABLE,
    PRCTL,
    PULSE,
    READ,
    SIZE,
    WAIT4,
    WALL,
    WRITE,
    Arena,
    Call,
    Dead,
    Earlier,
    Gone,
    Memory,
    Surroundings,
    Task,
    over,
)
from ksem.guest.proxy import BASE, CALLS, DONE, MAILBOX, REST, TURN, WAIT
from ksem.guest.wire import FIRST, Channel

_KILL, _ACCESS, _NANOSLEEP, _CLOCK_GETTIME, _CLOCK_SETTIME, _IOCTL = 62, 21, 35, 228, 227, 16
# linux/random.h, for random(4).
_RNDADDENTROPY, _RNDRESEEDCRNG = 0x40085203, 0x5207
_WNOHANG, _SIGCHLD, _SIGKILL = 1, 17, 9
# Bytes of chance that a kernel gets: as many as its generator's key and some more.
_ENTROPY = 64
# Among what is ours in the arena: a time to wait of 0.5 ms, texts, what was read.
_SHORT, _TEXT, _FOUND, _LENGTH = OWN + 32768, OWN + 32784, OWN + 36864, 28000
# Where a piece of a file is while it is written: behind where a turn begins.
_FILE = 65536
# Seconds that the proxy may take to come back from what a director had begun, and processes to end, until we give up.
PATIENCE = 5.0
# Bytes of a file, and of all that a director may come to need.
LARGEST, ROOM = 4 << 20, 1 << 30


def main(channel: Channel, sources: Any, taking: int, names: Sequence[str], places: Dict[str, List[int]]) -> None:
    """Serve as an agent does.

    taking: a descriptor from which others can be taken, of these names. memory: the arena. bell, gate: on which the proxy is
    heard, and let go on; to read from the second never waits. passing: the other end of that, QEMU's own. modules: what the
    machine has no files for. log: for what a case prints. places: where among the modules each is, by the paths that they would
    have. The machine may still be on its way.
    """
    taken = _taken(taking, names)
    for number in (1, 2):
        os.dup2(taken["log"], number)
    # What a machine makes of us ends here, and not with the host's memory.
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    arena = Outside(mmap.mmap(taken["memory"], SIZE), taken["bell"], taken["gate"], taken["passing"])
    arena.awake()
    modules = taken["modules"]
    content = memoryview(mmap.mmap(modules, 0, access=mmap.ACCESS_READ) if os.fstat(modules).st_size else b"")
    arena.files = {path: content[start:end] for path, (start, end) in places.items()}
    channel.send({"started": True})
    # The kernel's code is translated when it is first used: now, as whoever waits for us has something else to do for a moment.
    # What goes wrong, the first case will see too.
    agent.rehearse(arena, lambda bench: {})
    agent.serve(channel, agent.Agent(arena, sources))


def _taken(taking: int, names: Sequence[str]) -> Dict[str, int]:
    """The descriptors that we are handed, where whoever runs a case does not close them."""
    with socket.socket(fileno=taking) as line:
        _, ((_, _, data),), _, _ = line.recvmsg(1, socket.CMSG_LEN(4 * len(names)))
    descriptors = struct.unpack("=%di" % len(names), data)
    taken = {name: fcntl.fcntl(one, fcntl.F_DUPFD, FIRST) for name, one in zip(names, descriptors)}
    for one in descriptors:
        os.close(one)
    return taken


class Outside(Arena):
    """Of a director that the processes cannot see."""

    def __init__(self, memory: Any, bell: int, gate: int, passing: int) -> None:
        self._bell, self._gate, self._passing = bell, gate, passing
        struct.pack_into("=qq", memory, _SHORT, 0, 500000)
        # The proxy is root's, of a machine that is ours alone; what else there is to know it tells when it is awake.
        super().__init__(memory, BASE, Surroundings(0, 0, "", 0, 1, True))
        self._proxy = Task(self, MAILBOX, self.shared)

    def awake(self) -> None:
        """Tell the machine the time, give it chance of its own, and learn what it is.

        Otherwise all that are restored from one snapshot would live at the same moment, and draw the same random numbers.
        """
        # Not before it is there, which may take a while.
        self._made([])
        # When QEMU opened its lines, it asked not to be kept waiting, and that what it writes be put together.
        fcntl.fcntl(self._passing, fcntl.F_SETFL, os.O_DIRECT)
        now, entropy = time.time(), os.urandom(_ENTROPY)
        time_of_day, pool = self.base + _FOUND, self.base + _FOUND + 16
        struct.pack_into("=qq", self.memory, _FOUND, int(now), int(now % 1 * 1e9))
        # struct rand_pool_info: how many bits of it count, how many bytes there are, the bytes.
        data = struct.pack("=ii", 8 * len(entropy), len(entropy)) + entropy
        self.memory[_FOUND + 16:_FOUND + 16 + len(data)] = data
        self._made([(_CLOCK_SETTIME, time.CLOCK_REALTIME, time_of_day),
                    (OPEN, self._text("/dev/urandom"), os.O_RDWR | os.O_CLOEXEC, 0), (_IOCTL, Earlier(1), _RNDADDENTROPY, pool),
                    (_IOCTL, Earlier(1), _RNDRESEEDCRNG, 0), (CLOSE, Earlier(1))])
        release, mounts = (self.read(f"/proc/{name}") or "" for name in ("sys/kernel/osrelease", "self/mountinfo"))
        self.around = self.around._replace(release=release.strip(), table=len(mounts))

    def begin(self, place: int) -> int:
        """See Arena."""
        clone = (CLONE, CLONE_VM | _SIGCHLD, self.base + place)
        if self.shared.dumpable == self.around.dumpable:
            return self._made([clone])[0]
        self.shared.dumpable = self.around.dumpable
        return self._made([(PRCTL, PR_SET_DUMPABLE, self.around.dumpable), clone])[1]

    def patience(self, memory: Memory) -> int:
        """Those that no call of ours can wake look for themselves."""
        return super().patience(memory) if memory is self.shared else self.base + _SHORT

    def go(self, task: Task) -> None:
        """See Arena."""
        apart = task.memory is not self.shared
        struct.pack_into("=QQ", self.memory, MAILBOX + 32, self.base + task.mailbox,
                         self.base + _SHORT if apart else self.pulse)
        self._do(TURN)
        looked = time.monotonic()
        while self._state(task.mailbox) != DONE:
            if not apart or time.monotonic() > looked + PULSE:
                looked = time.monotonic()
                if over(self.read("/proc/%d/stat" % task.pid)):
                    raise Gone
            self._do(WAIT)

    def reap(self, pid: int) -> None:
        """See Arena."""
        self._kill([pid], WALL)
        self._restore()
        children = self._children()
        while children:
            self._kill(children, WALL)
            children = self._children()
        self._tell(REST)

    def content(self, path: str) -> Optional[bytes]:
        """See Arena. No more than LARGEST bytes of it."""
        opened = (OPEN, self._text(path), os.O_RDONLY | os.O_CLOEXEC, 0)
        found = self._made([opened, (READ, Earlier(0), self.base + _FOUND, _LENGTH), (CLOSE, Earlier(0))])[1]
        if found < _LENGTH:
            return self._found(found) if found >= 0 else None
        descriptor, = self._made([opened])
        pieces: List[bytes] = []
        while found > 0 and len(pieces) * _LENGTH < LARGEST:
            found, = self._made([(READ, descriptor, self.base + _FOUND, _LENGTH)])
            pieces.append(self._found(found))
        self._made([(CLOSE, descriptor)])
        return b"".join(pieces)

    def write(self, path: str, content: Any) -> None:
        """See Arena. By way of the memory that a turn would take."""
        descriptor, = self._made([(OPEN, self._text(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)])
        result, left = descriptor, memoryview(content)
        while left and result >= 0:
            size = min(len(left), OWN - _FILE)
            self.memory[_FILE:_FILE + size] = left[:size]
            written, = self._made([(WRITE, descriptor, self.base + _FILE, size)])
            result = written or -errno.EIO
            left = left[max(0, result):]
        if descriptor >= 0:
            self._made([(CLOSE, descriptor)])
        if result < 0:
            raise OSError(-result, os.strerror(-result), path)

    def keep(self, path: str) -> None:
        """See Arena."""
        self._made([(OPEN, self._text(path), os.O_RDONLY | os.O_CLOEXEC, 0)])

    @contextlib.contextmanager
    def process(self) -> Iterator[Task]:
        """See Arena."""
        self.start(PATIENCE)
        task = self.fork()
        try:
            yield task
        finally:
            self.reap(task.pid)

    def executable(self, path: str) -> bool:
        """See Arena."""
        return self._made([(_ACCESS, self._text(path), os.X_OK)])[0] == 0

    def tick(self) -> None:
        """See Arena."""
        def now() -> bytes:
            self._made([(_NANOSLEEP, self.base + _SHORT, 0), (_CLOCK_GETTIME, CLOCK_REALTIME_COARSE, self.base + _FOUND)])
            return bytes(self.memory[_FOUND:_FOUND + 16])

        start = now()
        while now() == start:
            pass

    def recover(self) -> None:
        """See Arena. Raises Dead when that cannot be: another machine is needed then."""
        end = time.monotonic() + PATIENCE
        state = self._state(MAILBOX)
        if state not in (REST, DONE):
            # Who died may have told it, and not let it go on.
            self._tell(state)
            self._heard(PATIENCE)
        self._restore(known=False)
        while True:
            children = self._children()
            if not children:
                self._tell(REST)
                return
            if time.monotonic() > end:
                raise Dead("processes %s cannot be killed" % children)
            self._kill(children, WALL | _WNOHANG)

    def _kill(self, children: Sequence[int], how: int) -> None:
        """End children of the proxy. how: as wait4(2) is to wait for each of them."""
        self._made([(_KILL, child, _SIGKILL) for child in children] + [(WAIT4, child, 0, how, 0) for child in children])

    def _restore(self, known: bool = True) -> None:
        """Make the proxy's memory dumpable as it was at first. known: whether we know what it is."""
        if not known or self.shared.dumpable != self.around.dumpable:
            self._made([(PRCTL, PR_SET_DUMPABLE, self.around.dumpable)])
            self.shared.dumpable = self.around.dumpable

    def _found(self, length: int) -> bytes:
        return bytes(self.memory[_FOUND:_FOUND + max(0, length)])

    def _children(self) -> List[int]:
        """Of the proxy, to which orphans come, too."""
        return [int(word) for word in (self.read("/proc/thread-self/children") or "").split()]

    def _text(self, path: str) -> int:
        text = path.encode() + b"\0"
        self.memory[_TEXT:_TEXT + len(text)] = text
        return self.base + _TEXT

    def _made(self, calls: Sequence[Call]) -> Sequence[int]:
        """What calls of the proxy itself returned; the turn at hand stays as it is."""
        top, self.top = self.top, OWN
        try:
            place = self._proxy.write([(calls, False)])
            end = self.top
        finally:
            self.top = top
        self._do(CALLS)
        return struct.unpack_from("=%dq" % ((end - place) // 8), self.memory, place)[7::10]

    def _do(self, state: int) -> None:
        self._tell(state)
        self._heard(None)

    def _tell(self, state: int) -> None:
        """Let the proxy see a state. It looks before it goes through the gate: one that is not there yet need not wait."""
        struct.pack_into("=I", self.memory, MAILBOX, state)
        with contextlib.suppress(BlockingIOError):
            # One, but for what came before the gate was one.
            os.read(self._gate, mmap.PAGESIZE)

    def _heard(self, patience: Optional[float]) -> None:
        """Wait until the proxy has done what it was told."""
        end = None if patience is None else time.monotonic() + patience
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            # Also when it rings and rings, and never is done.
            if left == 0 or not select.select([self._bell], [], [], left)[0]:
                raise Dead("the machine does not answer")
            if not os.read(self._bell, 4096):
                raise Dead("the machine is gone")
            if self._state(MAILBOX) == DONE:
                return

    def _state(self, mailbox: int) -> int:
        return int(struct.unpack_from("=I", self.memory, mailbox)[0])
