"""Where kernels come from. A module of this package is a source; its name is what a catalogue entry calls it (`debian:6.12`).

Contract of such a module:

    column(name) -> Column | None            the column behind a name that is in no catalogue
    at_hand(column) -> Kernel | None         what `resolve` would give without fetching anything
    check(column) -> None                    raises KsemError for what no fetching can mend; quick
    resolve(column, say) -> Kernel           the kernel, fetched if need be; raises Unavailable, KsemError
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

from ksem.model import Column, Kernel, Say


class Source(Protocol):
    """What a module of this package provides."""

    def column(self, name: str) -> Column | None: ...

    def at_hand(self, column: Column) -> Kernel | None: ...

    def check(self, column: Column) -> None: ...

    def resolve(self, column: Column, say: Say) -> Kernel: ...


def names() -> list[str]:
    """The sources that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def source(name: str) -> Source:
    """The source of that name, which must be one of `names()`."""
    return cast(Source, importlib.import_module(f"{__name__}.{name}"))


def source_of(column: Column) -> Source:
    """Where a column's kernel comes from."""
    return source(column.source.partition(":")[0])
