"""`ksem kernels`: the columns that there are.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
import json

from ksem import catalog, kernels
from ksem.commands import _common
from ksem.kernels import debian
from ksem.model import Column, Kernel, KsemError

HELP = "list the columns: name, backend, exact release, cached or not"


def arguments(parser: argparse.ArgumentParser) -> None:
    """How much is listed."""
    parser.add_argument("--all", action="store_true", help="list every kernel of Debian's archive too")
    parser.add_argument("--json", action="store_true", help="as JSON, for a CI system's job matrix: objects with column, "
                        "backend, release, state, and whether a run that names no column has it (default)")
    parser.add_argument("--refresh", action="store_true", help="ask the archive again first")


def run(options: argparse.Namespace) -> int:
    """Print a line for each column."""
    root = _common.root(options)
    if options.refresh and (problem := debian.refresh(_common.say, age=0.0)):
        raise KsemError(problem)
    columns = catalog.entries(root)
    if options.all:
        columns += [Column(f"debian-{offer.name.removesuffix(debian.FLAVOUR)}", "qemu", f"debian:{offer.name}")
                    for offer in sorted(debian.known(), key=debian.order)]
    found = [(column, kernels.source_of(column).at_hand(column)) for column in columns]
    if options.json:
        told = [{"column": column.name, "backend": column.backend, "release": kernel and kernel.release,
                 "state": _state(column, kernel), "default": column.default} for column, kernel in found]
        _common.show(json.dumps(told, indent=1), "\n")
        return 0
    _common.show_table([("COLUMN", "BACKEND", "RELEASE", "STATE"),
                        *((column.name, column.backend, kernel.release if kernel else "-", _state(column, kernel))
                          for column, kernel in found)])
    return 0


def _state(column: Column, kernel: Kernel | None) -> str:
    if kernel is not None:
        return kernel.remark or "at hand"
    try:
        kernels.source_of(column).check(column)
    except KsemError as problem:
        # What no fetching mends: a file that is not there.
        return str(problem).removeprefix(f"{column.name}: ")
    return "not fetched yet"
