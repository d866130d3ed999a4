"""How kernels run. A module of this package is a backend; its name is what a catalogue entry calls it.

Contract of such a module:

    begun(column: Column, kernel: Kernel, modules: frozenset[str], log: Path, say: Say) -> ContextManager[Coming]

    ahead() -> ContextManager[None]          meanwhile there is what any of its machines takes: for who knows not yet which
    check(column: Column) -> None            raises KsemError for what no start could mend
    PRISTINE: bool                           whether each machine that it starts has a kernel to itself that nothing was run on

The first gives a machine that is still to come, and takes all of it down again, whatever happens. To start it raises
Unavailable when this host can never have it (the message says what to install) and Lost when it did not come up. `log` is a
file for all that its kernel prints.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

from ksem.machine import Machine
from ksem.model import Column, Kernel, Say


@dataclass(frozen=True)
class Running:
    """A machine that answers, and what is known of it from outside (`accelerator` and the like).

    came: how it came about, to be told: `booted 6.12.118 (tcg)`. fate: tells, when it is lost, what became of it.
    """

    machine: Machine
    surroundings: Mapping[str, Any]
    came: str = ""
    fate: Callable[[], str] = str


# At each yield something is under way elsewhere, and others may have something better to do than to wait for it.
Steps: TypeAlias = Generator[None, None, Running]


class Coming:
    """A machine that starts step by step. took: the seconds of all steps together."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._running: Running | None = None
        self._problem: BaseException | None = None
        self.took = 0.0

    def step(self) -> bool:
        """Take one, and tell whether there may be more. What goes wrong `running` raises."""
        if self._running is not None or self._problem is not None:
            return False
        started = time.monotonic()
        try:
            next(self._steps)
        except StopIteration as end:
            self._running = end.value
        except BaseException as problem:
            self._problem = problem
            if not isinstance(problem, Exception):
                # Ctrl-C is not the machine's.
                raise
        self.took += time.monotonic() - started
        return True

    def running(self) -> Running:
        """Take all that are left. Raises what one of them did."""
        while self.step():
            pass
        if self._running is None:
            assert self._problem is not None
            raise self._problem
        return self._running


@contextlib.contextmanager
def coming(steps: Callable[[contextlib.ExitStack], Steps]) -> Iterator[Coming]:
    """What a backend gives. steps: a generator function of the stack that takes all of it down."""
    with contextlib.ExitStack() as stack:
        generator = steps(stack)
        # One that stands still between two steps takes down what is its own.
        stack.callback(generator.close)
        yield Coming(generator)


class Backend(Protocol):
    """What a module of this package provides."""

    PRISTINE: bool

    def check(self, column: Column) -> None: ...

    def ahead(self) -> AbstractContextManager[None]: ...

    def begun(self, column: Column, kernel: Kernel, modules: frozenset[str], log: Path,
              say: Say) -> AbstractContextManager[Coming]: ...


def names() -> list[str]:
    """The backends that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def backend(name: str) -> Backend:
    """The backend of that name, which must be one of `names()`."""
    return cast(Backend, importlib.import_module(f"{__name__}.{name}"))


@contextlib.contextmanager
def machine(backend: Backend, column: Column, kernel: Kernel, modules: frozenset[str], log: Path,
            say: Say) -> Iterator[Running]:
    """A machine, for whoever has nothing else to do until it is there."""
    with backend.begun(column, kernel, modules, log, say) as found:
        yield found.running()
