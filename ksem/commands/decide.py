"""`ksem decide`: which kernels a design can support.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ksem import catalog, decide, designs
from ksem.commands import _common
from ksem.decide import Support
from ksem.model import KsemError
from ksem.wrap import printable

HELP = "tell which columns support a design, and from which release on"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which design, on which columns."""
    parser.add_argument("design", nargs="?", metavar="DESIGN", help="a name in designs/ or a file (default: list them)")
    _common.evidence_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the decision; 0 when every column that was asked for supports the design."""
    root = _common.root(options)
    if options.design is None:
        return _list(options, root)
    path = designs.find(root, options.design)
    behaviours = _common.behaviours_for(root, designs.cases(path))
    matrix = _common.matrix_of(options, behaviours)
    design = designs.read(path, behaviours, matrix.columns)
    decisions = decide.decide(design, matrix.columns)
    # Of a column that no plain run has, some cases may be all that anybody wanted.
    extra = set() if options.column else {entry.name for entry in catalog.entries(root) if not entry.default}
    aside = [decision for decision in decisions if decision.column in extra and decision.is_partial]
    counted = [decision for decision in decisions if decision not in aside]
    chosen = bool(options.column) or any(path.is_file() for path in options.results)
    _common.show(decide.text(design, decisions, _common.width(), aside, chosen))
    return int(not counted or any(decision.support is not Support.SUPPORTED for decision in counted))


def _list(options: argparse.Namespace, root: Path) -> int:
    """Print which designs there are. One that is wrong is told, and is no reason to show no other."""
    names = designs.names(root)
    if not names:
        raise KsemError("there is no design yet: write one as designs/NAME.toml")
    if options.results or options.column:
        raise KsemError(f"name the design that is to be decided on this evidence: {', '.join(names)}")
    behaviours = _common.behaviours_for(root, ())
    found, wrong = [], []
    for name in names:
        try:
            found.append(designs.read(designs.find(root, name), behaviours))
        except KsemError as problem:
            wrong.append(problem)
    if not found:
        raise wrong[0]
    for one in wrong:
        _common.say(f"ksem: left out: {printable(str(one))}")
    _common.show_table([("DESIGN", "CLAIMS", "TITLE"), *((one.name, str(len(one.reliances)), one.title) for one in found)])
    return 0
