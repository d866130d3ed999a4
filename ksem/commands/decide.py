"""`ksem decide`: which kernels a design can support.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse

from ksem import catalog, decide, designs
from ksem.commands import _common
from ksem.decide import Support
from ksem.model import KsemError

HELP = "tell which columns support a design, and from which release on"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which design, on which columns."""
    parser.add_argument("design", nargs="?", metavar="DESIGN", help="a name in designs/ or a file (default: list them)")
    _common.evidence_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the decision; 0 when every column that was asked for supports the design."""
    root = _common.root(options)
    behaviours = catalog.behaviours(root)
    if options.design is None:
        if not designs.names(root):
            raise KsemError("there is no design yet: write one as designs/NAME.toml")
        found = [designs.read(designs.find(root, name), behaviours) for name in designs.names(root)]
        _common.show_table([("DESIGN", "CLAIMS", "TITLE"), *((one.name, str(len(one.reliances)), one.title) for one in found)])
        return 0
    path = designs.find(root, options.design)
    matrix = _common.matrix_of(options, behaviours)
    design = designs.read(path, behaviours, matrix.columns)
    decisions = decide.decide(design, matrix.columns)
    _common.show(decide.text(design, decisions, _common.width()))
    return int(any(decision.support is not Support.SUPPORTED for decision in decisions))
