"""`ksem repro`: a cell of stored evidence as a C program.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from ksem import cache, catalog, repro, selection, store
from ksem.catalog import Behaviour
from ksem.commands import _common
from ksem.guest.case import Params
from ksem.model import Cell, Evidence, KsemError

HELP = "print a C program that makes the calls of a case, and says whether they give what a column saw"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which cell, and where the program goes."""
    parser.add_argument("case", metavar="CASE", help="as `ksem cases` lists them")
    parser.add_argument("--column", required=True, metavar="COLUMN", help="whose evidence it is made from")
    parser.add_argument("--params", action="append", default=[], metavar="NAME=VALUE",
                        help="the parameter set with this value (repeatable; default: the first that was observed)")
    parser.add_argument("--results", action="append", default=[], type=Path, metavar="RESULTS",
                        help="evidence, a directory or a file; repeatable (default: results/)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file, whole or not at all")


def run(options: argparse.Namespace) -> int:
    """Print the program, or write it to a file."""
    root = _common.root(options)
    behaviour = catalog.named(catalog.behaviours(root), options.case)
    sets = selection.parameter_sets(behaviour, selection.parsed(options.params))
    evidence = _evidence(options.column, options.results or [root / "results"])
    cell = _cell(behaviour, sets, evidence)
    text = repro.program(behaviour, cell, evidence)
    if options.output:
        cache.write_atomically(options.output.resolve(), text.encode("ascii"))
    else:
        _common.show(text)
    return 0


def _evidence(column: str, places: Iterable[Path]) -> Evidence:
    """A column's evidence in the first of some directories and files that has it: no other column's traces are read."""
    names = []
    for place in places:
        if not place.exists():
            raise KsemError(f"{place} does not exist: name a directory of evidence")
        for path in [place] if place.is_file() else sorted(place.glob("*.json")):
            name = store.read_column(path).column if place.is_file() else urllib.parse.unquote(path.stem)
            if name == column:
                return store.read_column(path)
            names.append(name)
    there = f"there are {', '.join(names)}" if names else f"`ksem run {column}` makes some"
    raise KsemError(f"there is no evidence of {column!r}{catalog.nearest(column, names)}: {there}")


def _cell(behaviour: Behaviour, sets: list[Params], evidence: Evidence) -> Cell:
    """The first of the parameter sets that was observed; if none was, the first that says why."""
    known = [cell for params in sets for cell in evidence.cells if cell.case == behaviour.name and dict(cell.params) == params]
    if not known:
        again = f"ksem run {evidence.column} -k {behaviour.name}"
        raise KsemError(f"{evidence.column} has no evidence of {behaviour.name}: `{again}` makes some")
    observed = [cell for cell in known if cell.status == "observed"]
    if len(observed) > 1:
        words = " ".join(f"{name}={selection.spelled(value)}" for name, value in observed[0].params.items())
        _common.say(f"ksem: the program is for {words}, the first of {len(observed)} parameter sets: --params chooses another")
    return (observed or known)[0]
