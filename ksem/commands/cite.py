"""`ksem cite`: evidence to paste into a mail.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse

from ksem import cite, repro, selection
from ksem.commands import _common
from ksem.decider import decider_of, rows_of

HELP = "print the evidence for a claim, to paste into a mail"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which claim, and what of its evidence."""
    parser.add_argument("case", metavar="CASE", help="as `ksem cases` lists them")
    parser.add_argument("--params", action="append", default=[], metavar="NAME=VALUE",
                        help="only parameter sets with this value (repeatable)")
    parser.add_argument("--on", default="", metavar="COLUMN", help="whose calls are shown (default: the kernel that decides)")
    parser.add_argument("--calls", type=_common.count, default=cite.CALLS, metavar="N",
                        help=f"how many at most (default: {cite.CALLS})")
    parser.add_argument("--with-reproducer", action="store_true", help="add the C program that `ksem repro` makes")
    _common.evidence_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the text."""
    behaviour = _common.behaviour(_common.root(options), options.case)
    sets = selection.parameter_sets(behaviour, selection.parsed(options.params))
    matrix = _common.matrix_of(options, [behaviour], traces=True, named=[options.on])
    section = matrix.sections[0]
    _common.check_column(options.on, matrix)
    program = ""
    if options.with_reproducer:
        decider = decider_of(matrix, section, rows_of(section, sets), options.on).result
        column = next(one for one in matrix.columns if one.column == decider.column)
        program = repro.program(behaviour, decider.cell, column)
    _common.show(cite.cite(matrix, section, sets, options.on, options.calls, program))
    return 0
