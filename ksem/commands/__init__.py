"""What the `ksem` command can do. A module of this package is a command; its name is what the user types.

Contract of such a module: HELP, one line for `ksem --help`; `arguments(parser)`, which adds the command's own; and
`run(options) -> int`, the exit status: 0 all is as expected, 1 something is not. What keeps it from being done is a KsemError.
Wiring only: commands call the rooms and print; nothing but the entry point imports them. `_common` is no command.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from typing import Protocol, cast


class Command(Protocol):
    """What a module of this package provides."""

    HELP: str

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


def names() -> list[str]:
    """The commands that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def command(name: str) -> Command:
    """The command of that name, which must be one of `names()`."""
    return cast(Command, importlib.import_module(f"{__name__}.{name}"))
