"""Directs a machine from outside: an agent beside us that runs `observe`, for the processes in the machine.

Contract: `bootstrap`, `machine` and `ksem.guest.modules`. Where a processor is emulated an interpreter takes half of all time.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ksem import bootstrap
from ksem.guest.modules import DIRECTORY
from ksem.guest.wire import FIRST
from ksem.machine import DIRECTOR, Machine

# Has a director direct, and gives what sees that it does.
Direct: TypeAlias = Callable[[], Callable[[], None]]


class _Waiting(NamedTuple):
    """An agent that has no machine yet; where it is handed descriptors, and what it calls its end of that."""

    agent: bootstrap.Agent
    handing: socket.socket
    taking: int


# Seconds that one may take to end that is said to be gone.
ENDING = 0.5
# Those that were started ahead, with what ends them: whoever takes one does.
_AHEAD: list[tuple[contextlib.ExitStack, _Waiting]] = []


@contextlib.contextmanager
def ahead() -> Iterator[None]:
    """Start a director for the first machine that wants one, whichever that will be: it takes 30 ms."""
    stack = contextlib.ExitStack()
    try:
        _AHEAD.append((stack, stack.enter_context(_waiting())))
        yield
    finally:
        while _AHEAD:
            _AHEAD.pop()[0].close()


@contextlib.contextmanager
def director(machine: Machine, ways: Mapping[str, int], modules: Mapping[str, bytes], log: Path) -> Iterator[Direct]:
    """An agent here that can run a machine's cases: the call that it gives tells it to, and gives one that sees it start.

    Both may raise Lost. It starts while the machine does, which is to have a proxy once it is there. ways: descriptors between
    that and the director, as ksem.guest.outside has them. modules: what its kernel is given of when a case wants it, by their
    names. log: a file for what a case prints.
    """
    with contextlib.ExitStack() as stack:
        if _AHEAD:
            owner, waiting = _AHEAD.pop()
            stack.enter_context(owner)
        else:
            waiting = stack.enter_context(_waiting())
        with open(os.memfd_create("modules"), "wb") as content, log.open("wb") as errors:
            content.writelines(modules.values())
            content.flush()
            handed = {**ways, "modules": content.fileno(), "log": errors.fileno()}
            socket.send_fds(waiting.handing, [b"!"], list(handed.values()))
        given = {"taking": waiting.taking, "names": list(handed), "places": _places(modules)}
        channel, process = waiting.agent
        yield lambda: machine.directed_by(channel, given, lambda: befell(process, "the director", ENDING))


@contextlib.contextmanager
def _waiting() -> Iterator[_Waiting]:
    ours, theirs = socket.socketpair()
    with ours, contextlib.ExitStack() as stack:
        with theirs:
            taking = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, FIRST)
        stack.callback(os.close, taking)
        command = [sys.executable, "-IS", "-c", bootstrap.beside(DIRECTOR)]
        yield _Waiting(stack.enter_context(bootstrap.agent(command, None, patience=5.0, inherited=[taking])), ours, taking)


def befell(process: subprocess.Popen[bytes], name: str, patience: float) -> str:
    """What somebody did to a process that may take so many seconds to end; nothing where it is well, or ended by itself."""
    try:
        status = process.wait(patience)
    except subprocess.TimeoutExpired:
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return f"{name} was stopped" if state in "Tt" else ""
    return f"{name} was killed by {signal.Signals(-status).name}" if status < 0 else ""


def _places(modules: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
    """Where each of them begins and ends when they are one behind the other, by the path that it has for the kernel."""
    ends = list(itertools.accumulate(map(len, modules.values()), initial=0))
    return {f"{DIRECTORY}/{name}.ko": place for name, place in zip(modules, itertools.pairwise(ends), strict=True)}
