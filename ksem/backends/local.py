"""Runs cases on the running kernel: an agent beside us, with our user's rights and nothing more.

Contract: the standard library, `bootstrap`, `machine`, `model`. Nothing of the machine is changed: each case works in a mount
namespace of its own, as users that nobody is, and its processes end with it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from ksem import bootstrap
from ksem.backends import Coming, Running, Steps, coming
from ksem.guest import executor, lab
from ksem.machine import AGENT, Machine, tail
from ksem.model import Column, Kernel, KsemError, Say, Unavailable

PRISTINE = False
ahead = contextlib.nullcontext


def begun(column: Column, kernel: Kernel, modules: frozenset[str], log: Path, say: Say) -> AbstractContextManager[Coming]:
    """An agent as a child of ours."""
    return coming(lambda stack: _steps(stack, column, log))


def _steps(stack: contextlib.ExitStack, column: Column, log: Path) -> Steps:
    check(column)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-IS", "-c", bootstrap.beside(AGENT)]
    errors = stack.enter_context(log.open("wb"))
    channel, _ = stack.enter_context(bootstrap.agent(command, errors, patience=5.0))
    running = Machine(channel, lambda: tail(log, 2000))
    yield
    started = running.starting(column.deadline, beside=True)
    yield
    started()
    stack.callback(running.stop)
    return Running(running, {"backend": "local"})


def check(column: Column) -> None:
    """The users of the cases must be nobody's: somebody who is one of them could reach what a case leaves open to it."""
    if column.source != "host":
        raise KsemError(f"{column.name}: the backend local runs the running kernel alone: kernel = \"host\"")
    if os.uname().machine != executor.ARCHITECTURE:
        raise Unavailable(f"this machine is {os.uname().machine}, and cases are run by {executor.ARCHITECTURE} code: boot a "
                          "kernel in QEMU instead")
    if os.geteuid() != 0:
        return
    for uid, name in lab.USERS.items():
        try:
            taken = pwd.getpwuid(uid).pw_name
        except KeyError:
            continue
        if uid != 0:
            raise Unavailable(f"user {taken} has the id {uid}, which cases use as {name}: run on another column")
