"""`ksem kernels`: the columns that there are.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse

from ksem import catalog, kernels
from ksem.commands import _common
from ksem.kernels import debian
from ksem.model import Column, KsemError

HELP = "list the columns: name, backend, exact release, cached or not"


def arguments(parser: argparse.ArgumentParser) -> None:
    """How much is listed."""
    parser.add_argument("--all", action="store_true", help="list every kernel of Debian's archive too")
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
    rows: list[tuple[str, ...]] = [("COLUMN", "BACKEND", "RELEASE", "STATE")]
    for column in columns:
        kernel = kernels.source_of(column).at_hand(column)
        state = kernel.remark or "at hand" if kernel else "not fetched yet"
        rows.append((column.name, column.backend, kernel.release if kernel else "-", state))
    _common.show_table(rows)
    return 0
