"""`ksem history`: since which release each value is as it is.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterable
from fnmatch import fnmatch

from ksem import catalog, history
from ksem.commands import _common
from ksem.decider import nothing_of
from ksem.matrix import Matrix, Section

HELP = "tell since which release, and until which, behaviours are as they are"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which cases, and how they are shown."""
    parser.add_argument("cases", nargs="*", metavar="CASE", help="as `ksem cases` lists them, or a pattern (default: all)")
    parser.add_argument("--all", action="store_true", help="list the values that never changed too")
    parser.add_argument("--format", choices=("terminal", "json"), default="terminal", help="terminal, json")
    _common.evidence_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the histories of the cases."""
    behaviours = _common.behaviours_for(_common.root(options), options.cases or ["*"])
    names = {one.name for pattern in options.cases for one in _matching(behaviours, pattern)}
    matrix = _common.matrix_of(options, [one for one in behaviours if one.name in names or not options.cases])
    for section in matrix.sections:
        if section.behaviour.name in options.cases and not _known(section):
            raise nothing_of(section, section.rows, "")
    if options.format == "json":
        _common.show(_json(matrix))
    else:
        sections = [one for one in matrix.sections if options.cases or options.all or _changed(one)]
        told = [history.text(matrix, one, _common.width(), options.all) for one in sections]
        rest = len(matrix.sections) - len(sections)
        if rest:
            what = "1 case is the same on every column: --all shows it" if rest == 1 else \
                f"{rest} cases are the same on every column: --all shows them"
            told.append(what)
        _common.show("\n\n".join(told), "\n")
    return 0


def _matching(behaviours: Iterable[catalog.Behaviour], pattern: str) -> list[catalog.Behaviour]:
    """The cases of a name or a pattern. Raises KsemError when there is none."""
    behaviours = list(behaviours)
    return [one for one in behaviours if fnmatch(one.name, pattern)] or [catalog.named(behaviours, pattern)]


def _known(section: Section) -> bool:
    return any(True for row in section.rows for _ in history.histories_of(section, row))


def _changed(section: Section) -> bool:
    return any(len(one.spans) > 1 for row in section.rows for one in history.histories_of(section, row))


def _json(matrix: Matrix) -> str:
    """A list of objects, one a value, as ksem.history describes them."""
    lines = [json.dumps(dataclasses.asdict(one), sort_keys=True) for one in history.histories(matrix)]
    return "[\n" + ",\n".join(lines) + "\n]\n"
