"""Runs cases in a machine of the project's Vagrantfile, over one ssh connection.

Contract: the standard library, python-vagrant, `bootstrap`, `cache`, `initramfs`, `kernel_modules`, `machine`, `model`. Which
provider runs the machine is Vagrant's business alone. A machine that was running is used and left running; one that was
halted or suspended is so again; one that did not exist is destroyed, also by the next run when this one was killed. Nothing is
installed in it.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from ksem import bootstrap, cache, initramfs, kernel_modules
from ksem.backends import Coming, Running, Steps, coming
from ksem.machine import Machine, tail
from ksem.model import Column, Kernel, KsemError, Lost, Say, Unavailable, upstream_release

PRISTINE = False
ahead = contextlib.nullcontext
PROGRAMS = {"vagrant": "vagrant", "ssh": "openssh-client"}
# The last is python-vagrant's word for paused too.
ABSENT, RUNNING, PAUSED = "not_created", "running", "saved"
# What Vagrant says while another of its commands is at a machine, and seconds until that one is taken for stuck.
_BUSY, BUSY = "another process is already executing an action", 900.0
# Of Vagrant's output, what says why: of Ruby's and apt's noise there is much more.
_TELLING = re.compile(r"error|fail|cannot|could not|couldn't|doesn't|not found|no such|denied|timed out|no space", re.I)
# `vagrant --machine-readable`: time, machine, kind, data. An error's data is its text.
_ERROR = re.compile(r"^\d+,[^,\n]*,ui,error,(.*)$", re.MULTILINE)
# What of it nobody wants to read: how a line is redrawn (ECMA-48, control sequences), Ruby's backtrace, and where in Vagrant
# itself something went wrong. Where in the Vagrantfile stays.
_NOISE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|^[ \t]+from \S+:\d+:in .*|^\S+\.rb:\d+:in `[^']*': ", re.MULTILINE)
# A distribution may hide its Python where only its own tools look for it. $0 is the program.
_START = """modprobe -qa {modules} 2>/dev/null
for python in python3 /usr/libexec/platform-python; do command -v $python >/dev/null && exec $python -IS -c "$0"; done
echo "this machine has no python3: the agent needs Python 3.6 or newer" >&2; exit 127"""
SSH = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6")
# What a machine's userland needs of another kernel before it can load any module of its own: disk, network, filesystems.
BOOT_MODULES = ("virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "ext4", "xfs", "btrfs", "af_packet")
FILES = ("kernel", "initrd")
# no_timer_check: vms/boxes/build.py says why.
CMDLINE = "root=/dev/vda1 ro console=ttyS0 quiet no_timer_check rdinit=/init"


def check(column: Column) -> None:
    """Raise KsemError for a machine that Vagrant does not know, or a Vagrant that is not there."""
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is missing: apt-get install {package}")
    if not column.machine or column.source == "host":
        raise KsemError(f"{column.name}: the backend vagrant needs machine = \"NAME\", and kernel = \"machine\" or an image")
    states = _states(_directory(column))
    if column.machine not in states:
        near = difflib.get_close_matches(column.machine, list(states), 1)
        raise KsemError(f"{column.name}: vms/Vagrantfile defines no machine {column.machine!r}"
                        + (f" (did you mean {near[0]}?)" if near else f": it has {', '.join(states)}"))


def begun(column: Column, kernel: Kernel, modules: frozenset[str], log: Path, say: Say) -> AbstractContextManager[Coming]:
    """A machine with an agent in it, which is waited for from its first step on."""
    def steps(stack: contextlib.ExitStack) -> Steps:
        yield
        return stack.enter_context(_machine(column, kernel, modules, log, say))

    return coming(steps)


@contextlib.contextmanager
def _machine(column: Column, kernel: Kernel, modules: frozenset[str], log: Path, say: Say) -> Iterator[Running]:
    check(column)
    directory = _directory(column)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    with _alone(directory, column.machine, say) as mark, log.open("ab", buffering=0) as output:
        control = _Control(_commands(directory), column.machine, log, output)
        with _up(control, column, kernel, modules, mark, say), _ssh_config(control) as config:
            provider = control.state().provider
            with bootstrap.agent(_to_agent(config, column, modules), output, patience=10.0) as (channel, _):
                running = Machine(channel, control.last_words)
                running.start(column.deadline)
                _check_kernel(column, kernel, running)
                yield Running(running, {"backend": "vagrant", "machine": column.machine, "provider": provider})
                running.stop()


def _check_kernel(column: Column, kernel: Kernel, running: Machine) -> None:
    """Raise Unavailable for a machine that was there already and boots another kernel than the column's."""
    told = running.environment(())
    release = upstream_release(told["release"], told["version"])
    own = CMDLINE not in str(told.get("cmdline"))
    if own != (kernel.image is None) or (not own and release != kernel.release):
        raise Unavailable(f"{column.name}: {column.machine} was made with {'its own' if own else 'another'} kernel, {release}: "
                          f"vagrant destroy {column.machine} first")


def _commands(directory: Path, **options: Any) -> Any:
    """python-vagrant, imported here: its import warns on stderr where there is no vagrant, which `check` says before."""
    import vagrant
    return vagrant.Vagrant(str(directory), **options)


def _directory(column: Column) -> Path:
    if column.vms is None or not (column.vms / "Vagrantfile").is_file():
        raise KsemError(f"{column.name}: there is no {(column.vms or Path('vms')) / 'Vagrantfile'} that could define it")
    return column.vms


@functools.cache
def _states(directory: Path) -> dict[str, str]:
    """The machines of a Vagrantfile, with their states. Raises Unavailable with what Vagrant complains of."""
    with tempfile.TemporaryFile() as complaints:
        asked = _commands(directory, err_cm=lambda: contextlib.nullcontext(complaints))
        try:
            return {status.name: status.state for status in asked.status()}
        except subprocess.CalledProcessError as error:
            complaints.seek(0)
            said = _telling(error.output.decode("utf-8", "replace") + complaints.read().decode("utf-8", "replace"))
            raise Unavailable(f"vagrant cannot tell its machines: {said}") from None


class _Control:
    """What Vagrant does with one machine, its output kept in a log."""

    def __init__(self, commands: Any, name: str, log: Path, output: IO[bytes]) -> None:
        self.name = name
        self.log = log
        self.commands = commands
        self.commands.out_cm = self.commands.err_cm = lambda: contextlib.nullcontext(output)

    def state(self) -> Any:
        """Vagrant's name, state and provider of the machine."""
        return self.do("status")[0]

    def do(self, command: str) -> Any:
        """One of python-vagrant's commands. Raises Lost with the line that says why it failed."""
        end = time.monotonic() + BUSY
        while True:
            before = self.log.stat().st_size
            try:
                return getattr(self.commands, command)(vm_name=self.name)
            except subprocess.CalledProcessError as error:
                output = ((error.output or b"") + self.log.read_bytes()[before:]).decode("utf-8", "replace")
                # A run that was killed leaves a Vagrant at work. To ask again takes Ruby a second.
                if _BUSY not in output or time.monotonic() > end:
                    raise Lost(f"vagrant {command} {self.name} failed: {self._reason(output)}") from None
            finally:
                self._tidy()

    def up(self) -> None:
        """Bring it up. Raises Lost that tells too in what state the machine got stuck."""
        try:
            self.do("up")
        except Lost as loss:
            state = ABSENT
            with contextlib.suppress(Lost):
                state = self.state().state
            if state == ABSENT:
                raise
            stuck = "paused: is the disk full that it lies on?" if state == PAUSED else state
            raise Lost(f"{loss.reason}; the machine is {stuck}") from None

    def last_words(self) -> str:
        """The end of what was printed on the way to the agent."""
        return tail(self.log, 2000)

    def _reason(self, output: str) -> str:
        if not output and shutil.disk_usage(self.log.parent).free == 0:
            return f"no space is left for its output in {self.log.parent}"
        return f"{_telling(output)} (all of it is in {self.log})"

    def _tidy(self) -> None:
        # Progress is redrawn with carriage returns: of each line what it ended as. In place: the log stays open.
        lines = [line.rstrip(b"\r").rpartition(b"\r")[2] for line in self.log.read_bytes().split(b"\n")]
        with self.log.open("r+b") as file:
            file.write(b"\n".join(lines))
            file.truncate()


@contextlib.contextmanager
def _alone(directory: Path, name: str, say: Say) -> Iterator[Path]:
    """Alone with a machine, whose other runs wait: the file that says that a machine is ksem's to destroy."""
    digest = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]
    place = cache.directory("vagrant", f"{name}-{digest}")
    with cache.locked(place, lambda: say(f"waiting for another run that uses the machine {name}")):
        yield place / "made-by-ksem"


@contextlib.contextmanager
def _up(control: _Control, column: Column, kernel: Kernel, modules: frozenset[str], mark: Path, say: Say) -> Iterator[None]:
    """The machine running, and afterwards as it was before, unless it is to be kept."""
    before = control.state().state
    if mark.exists():
        # Also if it is not there: a Vagrant that outlived that run may be about to make it.
        say("an earlier run was killed: destroying what it left of this machine")
        control.do("destroy")
        before = ABSENT
    if before == RUNNING:
        yield
        return
    if before == ABSENT:
        mark.touch()

    def down() -> None:
        if not column.keep:
            control.do({ABSENT: "destroy", PAUSED: "suspend"}.get(before, "halt"))
            for name in FILES if before == ABSENT else ():
                (mark.parent / name).unlink(missing_ok=True)
        mark.unlink(missing_ok=True)

    try:
        _prepare(control, kernel, modules, mark.parent)
        # One at a time: parallel `vagrant up` race for the box, the network and the pool.
        with cache.locked(cache.directory("vagrant"), lambda: say("waiting for another machine to come up")):
            started = time.monotonic()
            say("vagrant up (this takes a minute or more without KVM)")
            control.up()
        say(f"is up after {time.monotonic() - started:.0f} s")
        yield
    except BaseException:
        # What kept it from coming up keeps it from going down too, and is what is to be told. The mark stays for the next run.
        with contextlib.suppress(Lost):
            down()
        raise
    down()


def _prepare(control: _Control, kernel: Kernel, modules: frozenset[str], place: Path) -> None:
    """Have the Vagrantfile boot a kernel of the catalogue, with an initramfs that hands over to the machine's disk."""
    control.commands.env = dict(os.environ)
    if kernel.image is None:
        return
    if kernel.modules is None:
        raise Unavailable(f"{kernel.package} has no modules here, and a machine needs them for its disk: choose another kernel")
    contents, order = kernel_modules.files(kernel.modules, {*BOOT_MODULES, *modules})
    image, initrd = (place / name for name in FILES)
    shutil.copyfile(kernel.image, image)
    cache.write_atomically(initrd, initramfs.build(contents, order, program="handover"))
    control.commands.env |= {"KSEM_KERNEL": str(image), "KSEM_INITRD": str(initrd),
                             "KSEM_CMDLINE": CMDLINE}


@contextlib.contextmanager
def _ssh_config(control: _Control) -> Iterator[Path]:
    """Vagrant's way to the machine, asked for once: each of its commands costs seconds."""
    with tempfile.NamedTemporaryFile("w", prefix="ksem-ssh-", suffix=".config") as file:
        file.write(control.do("ssh_config"))
        file.flush()
        yield Path(file.name)


def _to_agent(config: Path, column: Column, modules: frozenset[str]) -> list[str]:
    """What runs the agent as root of the machine, at the other end of a connection."""
    start = _START.format(modules=" ".join(sorted(modules)))
    command = shlex.join(["sudo", "-n", "sh", "-c", start, bootstrap.program()])
    return ["ssh", "-F", str(config), *SSH, column.machine, command]


def _telling(output: str) -> str:
    """What of Vagrant's output says most: the last paragraph that speaks of an error, from there on, else the last line.

    Of `--machine-readable` output the last error, from its beginning.
    """
    output = _NOISE.sub("", output)
    errors: list[str] = _ERROR.findall(output)
    if errors:
        return _line(errors[-1].replace("%!(VAGRANT_COMMA)", ",").replace("\\n", "\n").splitlines())
    paragraphs = [[line.strip() for line in paragraph.splitlines() if line.strip()]
                  for paragraph in re.split(r"\n\s*\n", output.replace("\r", "\n"))]
    for lines in reversed(paragraphs):
        for number, line in enumerate(lines):
            if _TELLING.search(line):
                return _line(lines[number:])
    return _line([line for lines in paragraphs for line in lines][-1:] or ["it said nothing"])


def _line(lines: list[str]) -> str:
    return textwrap.shorten(" ".join(lines), 300, placeholder=" ...")
