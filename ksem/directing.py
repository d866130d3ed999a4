"""Directs a machine from outside: an agent beside us that runs `observe`, for the processes in the machine.

Contract: `bootstrap`, `machine` and `ksem.guest`. Where a processor is emulated an interpreter takes half of all time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ksem import bootstrap
from ksem.guest import init
from ksem.machine import Machine

# Below these an agent closes whatever it inherits.
_FIRST = 252


@contextlib.contextmanager
def directed(machine: Machine, memory: int, bell: int, log: Path) -> Iterator[None]:
    """Have a machine's cases run here, if it can be: by the memory that we share, and a pipe on which its proxy is heard.

    log: a file for what a case prints. Raises Lost.
    """
    proxy = machine.proxy()
    if proxy is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        kept = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST) for descriptor in (memory, bell)]
        for descriptor in kept:
            stack.callback(os.close, descriptor)
        errors = stack.enter_context(log.open("wb"))
        command = [sys.executable, "-IS", "-c", bootstrap.program()]
        channel = stack.enter_context(bootstrap.agent(command, errors, patience=5.0, inherited=kept))
        machine.directed_by(channel, {"memory": kept[0], "offset": init.ARENA, "bell": kept[1], "proxy": proxy})
        yield
