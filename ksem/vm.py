"""One QEMU process: a kernel booted directly, or restored; no network, no disk but what is plugged in, the agent on a line.

Contract: `qmp`, `directing`, `machine`, `model`. Standard input and output are the agent's line: a machine
that ends is noticed at once; kernel, initramfs and state are anonymous files, and its monitor is a pair of sockets: nothing has
a name that could be left behind. QEMU dies with the process that started it. What it does wrong is Lost.

Disks are plugged in when they are needed, whichever way the machine came about: QEMU cannot save one that has NVMe.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
import resource
import select
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ksem import directing, init
from ksem.guest import wire
from ksem.guest.disks import FILESYSTEMS, serial
from ksem.guest.executor import SIZE
from ksem.guest.proxy import BELL, GATE, MAILBOX, RUNG, mailbox
from ksem.machine import Machine, tail
from ksem.model import Lost, Unavailable
from ksem.qmp import Monitor, MonitorError

PROGRAM = "qemu-system-x86_64"
# Bytes.
RAM = 256 << 20
# Megabytes for translated code: with more, a machine comes to take more than 350 in all and is no faster; half of it is slower.
TRANSLATED = 64
# Without the self-tests of the crypto API, which are a fifth of an emulated boot and nothing that a case sees, and that of the
# timer: on a busy host an emulated machine may get too little time for it, and panics.
CMDLINE = "console=ttyS0 quiet panic=-1 cryptomgr.notests no_timer_check rdinit=/init"
# Seconds that QEMU may take to end once its lines are closed.
ENDING = 1.0
# Of the console: how many lines are searched for what befell the kernel, and how many are shown.
CONSOLE, SHOWN = 100, 15
# Bytes of a file that QEMU may write, a saved machine among them: what a guest prints beyond is lost.
LARGEST = 1 << 30
# Characters of a line that are shown.
WIDEST = 500
_PANIC = "Kernel panic"
_TROUBLE = re.compile(rf"{_PANIC}|BUG:|Oops|general protection|soft lockup|Out of memory")


# What a machine is saved as: its memory, which a file has to begin with, what it shares with us, and all else.
AREAS = ("ram", "shared", "devices")
# What can be read like bytes.
Buffer: TypeAlias = bytes | mmap.mmap


class _Ways(NamedTuple):
    """Between a proxy in the machine and its director, as descriptors.

    ram: all that the machine has, where that is of its own making. memory: what both see. bell: where the proxy is heard. gate:
    what to read from to let it go on; passing: QEMU's end of that.
    """

    ram: int
    memory: int
    bell: int
    gate: int
    passing: int


class VirtualMachine:
    """A process of QEMU's, its monitor, and the agent's far side in it."""

    def __init__(self, process: subprocess.Popen[bytes], monitor: Monitor, ways: _Ways, log: Path) -> None:
        assert process.stdin
        assert process.stdout
        self._process, self._monitor, self._log = process, monitor, log
        self._ways = ways
        self._said: list[str] = []
        self.machine = Machine(wire.Channel(process.stdout.fileno(), process.stdin.fileno()), self.last_words)

    def last_words(self) -> str:
        """The console from where the kernel says what befell it, else its last lines; QEMU's complaint when there are none."""
        lines = tail(self._log).splitlines() or self._complaint()
        recent = [line.rstrip()[:WIDEST] for line in lines[-CONSOLE:]]
        start = next((number for number, line in enumerate(recent) if _TROUBLE.search(line)), max(0, len(recent) - SHOWN))
        end = start + SHOWN
        # A panic because of an oops comes after all that is said of that.
        panic = [line for line in recent[end:] if _PANIC in line][:1]
        return "\n".join([*recent[start:end - len(panic)], *panic])

    def _complaint(self) -> list[str]:
        """What QEMU said, once it has ended."""
        if self._process.poll() is not None and self._process.stderr is not None:
            # Which can be read once.
            self._said += self._process.stderr.read().decode("utf-8", "replace").splitlines()
        return self._said

    def fate(self) -> str:
        """What became of a machine that does not answer: whether it hangs, ended, or lost its QEMU."""
        if did := directing.befell(self._process, "QEMU", ENDING):
            return did
        status = self._process.returncode
        if status is None:
            # A director that ended by itself did so because of the machine.
            return self.machine.director() or "the machine hangs"
        return f"QEMU failed with status {status}" if status else "the machine ended"

    def kill(self) -> None:
        """End it, and do not wait for that: its director may still be at something with it, and ends meanwhile."""
        self._process.kill()

    def plug(self, filesystems: Collection[str]) -> None:
        """Give it some of the disks that it was started with, while it is at something."""
        with self._lost():
            for name in filesystems:
                self._monitor.ask("device_add", {"driver": "nvme", "drive": name, "serial": serial(name),
                                                 "bus": f"port-{name}", "id": f"disk-{name}"})

    def rings(self, deadline: float) -> bool:
        """Whether a proxy came to be in a machine that boots, before that ended. Raises Lost when it does neither so long."""
        assert self._process.stdout is not None
        bell, line = self._ways.bell, self._process.stdout.fileno()
        end = time.monotonic() + deadline
        while True:
            left = end - time.monotonic()
            # Also where what is no proxy rings and rings.
            heard = select.select([bell, line], [], [], left)[0] if left > 0 else []
            if not heard:
                raise Lost(f"the kernel did not answer within {deadline:g} s", self.last_words())
            rung = os.read(bell, 4096) if bell in heard else b""
            if RUNG in rung:
                return True
            # A BIOS may say something there. When QEMU ended, both are heard, and nothing is said.
            if line in heard and not rung:
                return False

    def lacks_agent(self) -> bool:
        """Whether it ended because there can be no proxy in it, and no agent was in its initramfs."""
        return init.ENDED in self.last_words()

    def director(self, modules: Mapping[str, bytes]) -> contextlib.AbstractContextManager[directing.Direct]:
        """Who can direct its cases from here, by its proxy: see `directing`. modules: what it loads when it is wanted."""
        ways = {name: way for name, way in self._ways._asdict().items() if name != "ram"}
        return directing.director(self.machine, ways, modules, self._log.with_suffix(".cases.log"))

    @contextlib.contextmanager
    def saved(self) -> Iterator[list[Buffer]]:
        """It stands still, as what it can be restored from: AREAS.

        Afterwards it goes on. Raises MonitorError when QEMU does not save such a machine: it goes on then too.
        """
        with open(os.memfd_create("state"), "rb") as state:
            self._migrates("events", "x-ignore-shared")
            self._monitor.ask("getfd", {"fdname": "state"}, [state.fileno()])
            self._monitor.ask("migrate", {"uri": "fd:state"})
            while (status := self._monitor.event("MIGRATION").get("status")) not in ("completed", "failed"):
                pass
            with self._lost():
                # There is no event for the end of this.
                while (now := self._monitor.status()) == "finish-migrate":
                    pass
            try:
                if status != "completed":
                    raise MonitorError("QEMU could not save the machine")
                # QEMU wrote by the same descriptor.
                state.seek(0)
                with (mmap.mmap(self._ways.ram, 0, access=mmap.ACCESS_READ) as ram,
                      mmap.mmap(self._ways.memory, 0, access=mmap.ACCESS_READ) as memory):
                    yield [ram, memory, _unplaced(state.read())]
            finally:
                if now != "running":
                    with self._lost():
                        self._monitor.ask("cont")

    @contextlib.contextmanager
    def _lost(self) -> Iterator[None]:
        """What is wrong with the monitor is a machine that is lost."""
        try:
            yield
        except MonitorError as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDING)
            # Why it could not even start, as where it has no room for a temporary file.
            said = self._complaint() if self._process.returncode == 1 else []
            raise Lost(": ".join([str(error), *said])[:WIDEST], self.last_words()) from error

    def greet(self) -> None:
        """Begin the conversation with QEMU, which need not have started."""
        with self._lost():
            self._monitor.begin()

    def begin(self) -> None:
        """Hear that it has."""
        with self._lost():
            self._monitor.greet()

    def take(self, file: int) -> None:
        """Tell it to take what was saved of its devices, by a descriptor that QEMU has too, and to run."""
        with self._lost():
            self._migrates("x-ignore-shared")
            self._monitor.tell("migrate-incoming", {"uri": f"fd:{file}"})

    def runs(self) -> None:
        """See that it does."""
        with self._lost():
            self._monitor.event("RESUME")

    def _migrates(self, *capabilities: str) -> None:
        """How it is saved and restored: without the memory that it has in a file (x-ignore-shared in qapi/migration.json)."""
        named = [{"capability": name, "state": True} for name in capabilities]
        self._monitor.tell("migrate-set-capabilities", {"capabilities": named})


@contextlib.contextmanager
def booted(image: bytes, archive: bytes, drives: Mapping[str, Path], accelerator: str, log: Path) -> Iterator[VirtualMachine]:
    """A kernel that boots: `begin` comes first. drives: the images by the names of their filesystems."""
    with contextlib.ExitStack() as files:
        kernel, initrd = (files.enter_context(_anonymous(name, content))
                          for name, content in (("kernel", image), ("initramfs", archive)))
        more = ["-kernel", f"/proc/self/fd/{kernel}", "-initrd", f"/proc/self/fd/{initrd}", "-append", CMDLINE]
        with _anonymous("ram") as ram:
            os.ftruncate(ram, RAM)
            words = [*command(accelerator, log), *_ram(ram, "on"), *_drives(drives), *more]
            with _started(words, [kernel, initrd, ram], ram, _shared(), log) as machine:
                files.close()
                yield machine


@contextlib.contextmanager
def restored(file: int, shared: bytes, drives: Mapping[str, Path], accelerator: str, log: Path) -> Iterator[VirtualMachine]:
    """A machine that goes on where it was saved: it is told to `take` that, and heard of when it `begin`s and `runs`.

    file: it begins with the machine's memory, which it makes its own as it changes it. shared: what it shared with us. The same
    command, accelerator and QEMU saved it.
    """
    words = [*command(accelerator, log), *_ram(file, "off"), *_drives(drives), "-incoming", "defer"]
    with _started(words, [file], file, shared, log) as machine:
        yield machine


@contextlib.contextmanager
def _started(words: list[str], files: list[int], ram: int, shared: bytes, log: Path) -> Iterator[VirtualMachine]:
    """QEMU with its agent's line; killed at the end, as nothing in it is to be kept."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as stack:
        stack.enter_context(ours)
        memory = stack.enter_context(_anonymous("shared", shared))
        bell, ringing = os.pipe()
        stack.callback(os.close, bell)
        ways = _Ways(ram, memory, bell, *_gate(stack))
        # Who hears the bell is to hear that QEMU is gone: nobody else keeps that end.
        with theirs, open(ringing, "wb"):
            process = subprocess.Popen(
                [*watched(), *words, *_sharing(f"/proc/self/fd/{memory}", f"/proc/self/fd/{ringing}", ways.passing),
                 "-chardev", f"socket,id=monitor,fd={theirs.fileno()}", "-mon", "chardev=monitor,mode=control"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=[*files, memory, ringing, ways.passing, theirs.fileno()], start_new_session=True, bufsize=0)
        stack.callback(_ended, process)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
        found = VirtualMachine(process, Monitor(ours), ways, log)
        found.greet()
        yield found


def _unplaced(state: bytes) -> bytes:
    """What QEMU says of its devices, with the memory that we share where it is before the machine is.

    QEMU takes no stream in which shared memory is at another address than in itself (ram_load_setup() or ram_load_precopy() in
    migration/ram.c), and gives that of a PCI device its address only further on. Raises MonitorError where it is not in there.
    """
    found = re.search(rb"/shared" + struct.pack(">Q", SIZE), state)
    if found is None:
        raise MonitorError("QEMU does not say where shared memory is")
    return state[:found.end()] + bytes(8) + state[found.end() + 8:]


def _shared() -> bytes:
    """The memory that a machine and we share, as it is before either of us writes to it."""
    beginning = bytes(MAILBOX) + mailbox()
    return beginning + bytes(SIZE - len(beginning))


def _gate(stack: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe that holds one thing that was written and no more; to read from it never waits."""
    gate, passing = os.pipe2(os.O_DIRECT)
    stack.callback(os.close, gate)
    stack.callback(os.close, passing)
    fcntl.fcntl(gate, fcntl.F_SETPIPE_SZ, mmap.PAGESIZE)
    os.set_blocking(gate, False)
    return gate, passing


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream
        stream.close()


@contextlib.contextmanager
def _anonymous(name: str, content: bytes = b"") -> Iterator[int]:
    """The descriptor of a file in memory that has no name anywhere."""
    descriptor = os.memfd_create(name)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield descriptor
    finally:
        os.close(descriptor)


def command(accelerator: str, log: Path) -> list[str]:
    """QEMU's command line; q35 because microvm hangs at random under emulation."""
    how = ["kvm", "-cpu", "host"] if accelerator == "kvm" else [f"{accelerator},tb-size={TRANSLATED}", "-cpu", "max"]
    return [
        program(), "-M", "q35,memory-backend=ram", "-accel", *how,
        "-m", f"{RAM}B", "-smp", "1", "-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-nic", "none",
        "-chardev", f"file,id=console,path={_escaped(log)}", "-serial", "chardev:console",
        "-chardev", "stdio,id=agent,signal=off", "-serial", "chardev:agent", *_ports(),
    ]


def shape(accelerator: str) -> list[bytes]:
    """What of QEMU shapes a machine that is saved: its command line, and the very program."""
    found = os.stat(program())
    words = [*command(accelerator, Path("console")), *_sharing("memory", "bell", 0), CMDLINE]
    return [*(word.encode() for word in words), mailbox(), b"%d %d" % (found.st_size, found.st_mtime_ns)]


def _ram(file: int, share: str) -> list[str]:
    """The machine's memory: the beginning of a file, or, unless they share it, what it makes of that for itself."""
    return ["-object", f"memory-backend-file,id=ram,size={RAM}B,mem-path=/proc/self/fd/{file},share={share}"]


def _ports() -> list[str]:
    """Where disks are plugged in: q35's own bus takes none while the machine runs."""
    return [word for number, name in enumerate(FILESYSTEMS, 1) for word in (
        "-device", f"pcie-root-port,id=port-{name},chassis={number},addr={number:x}.0")]


def _drives(images: Mapping[str, Path]) -> list[str]:
    """What disks are made of; what is written to them is gone with the machine."""
    return [word for name, path in images.items() for word in (
        "-drive", f"if=none,id={name},format=raw,snapshot=on,file={_escaped(path)}")]


def _sharing(memory: str, bell: str, gate: int) -> list[str]:
    """Memory that we and the machine both see, where ksem.init looks for it; saved and restored with the machine.

    And the ports at which a proxy in the machine rings, and waits: as QEMU uses the gate's own descriptor, we can have it wait.
    """
    return ["-object", f"memory-backend-file,id=shared,mem-path={memory},size={SIZE},share=on",
            "-device", f"ivshmem-plain,memdev=shared,addr={init.SLOT},master=on",
            "-chardev", f"file,id=bell,path={bell}", "-device", f"isa-debugcon,iobase={BELL},chardev=bell",
            "-add-fd", f"set=1,fd={gate}", "-chardev", "file,id=gate,append=on,path=/dev/fdset/1",
            "-device", f"isa-debugcon,iobase={GATE},chardev=gate"]


def watched() -> list[str]:
    """What makes the kernel end QEMU when its parent dies, however that comes about.

    It steps back behind whoever directs machines, who is few and is waited for.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Unavailable("setpriv is missing: install the package util-linux")
    return ["nice", "-n", "10", setpriv, "--pdeathsig", "KILL", "--"]


def program() -> str:
    """QEMU. Raises Unavailable."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise Unavailable(f"{PROGRAM} is missing: apt-get install qemu-system-x86")
    return found


def _escaped(path: Path) -> str:
    """A path in an option of QEMU's, where a comma is doubled."""
    return str(path).replace(",", ",,")
