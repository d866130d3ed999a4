"""Directs a machine from outside: an agent beside us that runs `observe`, for the processes in the machine.

Contract: `bootstrap`, `machine` and `ksem.guest.modules`. Where a processor is emulated an interpreter takes half of all time.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from ksem import bootstrap
from ksem.guest.modules import DIRECTORY
from ksem.machine import DIRECTOR, Machine

# Has a director direct, and gives what sees that it does.
Direct: TypeAlias = Callable[[], Callable[[], None]]
# Below these an agent closes whatever it inherits.
_FIRST = 252


@contextlib.contextmanager
def director(machine: Machine, memory: int, bell: int, gate: int, modules: Mapping[str, bytes],
             log: Path) -> Iterator[Direct]:
    """An agent here that can run a machine's cases: the call that it gives tells it to, and gives one that sees it start.

    Both may raise Lost. It starts while the machine does. memory: what we share with it, which is to have a proxy by then.
    bell, gate: pipes on which its proxy is heard, and let go on. modules: what its kernel is given of when a case wants it, by
    their names. log: a file for what a case prints.
    """
    with contextlib.ExitStack() as stack:
        content = stack.enter_context(open(os.memfd_create("modules"), "wb"))
        content.writelines(modules.values())
        content.flush()
        kept = {}
        for name, descriptor in (("memory", memory), ("bell", bell), ("gate", gate), ("modules", content.fileno())):
            kept[name] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST)
            stack.callback(os.close, kept[name])
        errors = stack.enter_context(log.open("wb"))
        command = [sys.executable, "-IS", "-c", bootstrap.beside(DIRECTOR)]
        channel = stack.enter_context(bootstrap.agent(command, errors, patience=5.0, inherited=kept.values()))
        yield lambda: machine.directed_by(channel, {**kept, "places": _places(modules)})


def _places(modules: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
    """Where each of them begins and ends when they are one behind the other, by the path that it has for the kernel."""
    ends = list(itertools.accumulate(map(len, modules.values()), initial=0))
    return {f"{DIRECTORY}/{name}.ko": place for name, place in zip(modules, itertools.pairwise(ends), strict=True)}
