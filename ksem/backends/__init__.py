"""How kernels run. A module of this package is a backend; its name is what a catalogue entry calls it.

Contract of such a module:

    begun(column: Column, kernel: Kernel, modules: frozenset[str], log: Path, say: Say) -> ContextManager[Callable[[], Running]]

    check(column: Column) -> None            raises KsemError for what no start could mend
    PRISTINE: bool                           whether each machine that it starts has a kernel to itself that nothing was run on

The first begins to start the machine, as far as that needs no waiting, and takes all of it down again, whatever happens. What
it gives is called once, for the machine when it is there. Both raise Unavailable when this host can never have it (the message
says what to install) and Lost when the machine did not come up. `log` is a file for all that its kernel prints.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from ksem.machine import Machine
from ksem.model import Column, Kernel, Say


@dataclass(frozen=True)
class Running:
    """A machine that answers, and what is known of it from outside (`accelerator` and the like).

    came: how it came about, to be told: `booted 6.12.118 in 3.1 s (tcg)`. fate: tells, when it is lost, what became of it.
    """

    machine: Machine
    surroundings: Mapping[str, Any]
    came: str = ""
    fate: Callable[[], str] = str


class Backend(Protocol):
    """What a module of this package provides."""

    PRISTINE: bool

    def check(self, column: Column) -> None: ...

    def begun(self, column: Column, kernel: Kernel, modules: frozenset[str], log: Path,
              say: Say) -> AbstractContextManager[Callable[[], Running]]: ...


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
    with backend.begun(column, kernel, modules, log, say) as ready:
        yield ready()
