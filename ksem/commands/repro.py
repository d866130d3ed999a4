"""`ksem repro`: a cell of stored evidence as a C program.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ksem import cache, repro, selection
from ksem.commands import _common
from ksem.decider import decider_of, rows_of
from ksem.guest.case import Params
from ksem.matrix import Matrix
from ksem.model import Cell, Evidence, KsemError, Verdict

HELP = "print a C program that makes the calls of a case, and says whether they give what a column saw"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which cell, and where the program goes."""
    parser.add_argument("case", metavar="CASE", help="as `ksem cases` lists them")
    parser.add_argument("--column", dest="on", default="", metavar="COLUMN",
                        help="whose evidence it is made from (default: the kernel that decides, as `ksem cite` shows it)")
    parser.add_argument("--params", action="append", default=[], metavar="NAME=VALUE",
                        help="the parameter set with this value (repeatable; default: the one that `ksem cite` shows)")
    parser.add_argument("--results", action="append", default=[], type=Path, metavar="RESULTS",
                        help="evidence, a directory or a file; repeatable (default: results/)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file, whole or not at all")
    parser.set_defaults(column=[])


def run(options: argparse.Namespace) -> int:
    """Print the program, or write it to a file."""
    behaviour = _common.behaviour(_common.root(options), options.case)
    sets = selection.parameter_sets(behaviour, selection.parsed(options.params))
    matrix = _common.matrix_of(options, [behaviour], traces=True, named=[options.on])
    _common.check_column(options.on, matrix)
    cell, evidence = _cell(matrix, sets, options.on)
    text = repro.program(behaviour, cell, evidence)
    if len(sets) > 1 or not options.on:
        words = "".join(f" {name}={selection.spelled(value)}" for name, value in cell.params.items())
        _common.say(f"ksem: the program is for {evidence.column}{' with' if words else ''}{words}:"
                    " --column and --params choose another")
    if options.output:
        cache.write_atomically(options.output.resolve(), text.encode("ascii"))
    else:
        _common.show(text)
    return 0


def _cell(matrix: Matrix, sets: list[Params], on: str) -> tuple[Cell, Evidence]:
    """The cell whose trace `ksem cite` shows; of a column that observed nothing the first that says why."""
    section = matrix.sections[0]
    rows = rows_of(section, sets)
    columns = {column.column: column for column in matrix.columns}
    known = [result.cell for row in rows for result in row.results
             if result.column == on and result.verdict is not Verdict.UNKNOWN]
    if on and not any(cell.trace for cell in known):
        if not known:
            name = section.behaviour.name
            raise KsemError(f"{on} has no evidence of {name}: `ksem run {on} -k {name}` makes some")
        return known[0], columns[on]
    found = decider_of(matrix, section, rows, on).result
    return found.cell, columns[found.column]
