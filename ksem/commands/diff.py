"""`ksem diff`: what behaves differently between two columns, or two sets of evidence.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ksem import catalog, compare
from ksem.commands import _common
from ksem.model import Evidence, KsemError

HELP = "tell what behaves differently: two columns, or two sets of evidence"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What is compared with what."""
    parser.description = ("Each of A and B is a column of the stored evidence, a results file, or a directory of them: two"
                          " directories are compared column by column. Exit status: 0 all that A knows is so in B too, 1 some"
                          " of it changed, vanished or became unknown.")
    parser.add_argument("old", metavar="A", help="a column, a file or a directory")
    parser.add_argument("new", metavar="B", help="what A is compared with")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where columns are looked up (default: results/)")


def run(options: argparse.Namespace) -> int:
    """Print the differences of each pair; 1 when something is no longer what it was."""
    root = _common.root(options)
    behaviours = catalog.behaviours(root)
    results = options.results or root / "results"
    pairs, alone = _pairs(_common.evidence_of(options.old, results), _common.evidence_of(options.new, results))
    comparisons = [compare.compare(old, new, behaviours) for old, new in pairs]
    told = [compare.text(comparison, behaviours, _common.width()) for comparison in comparisons]
    _common.show("\n\n".join([*told, *("\n".join(lines) for lines in [alone] if lines)]), "\n")
    lost = any(line.startswith("only in A") for line in alone)
    return int(lost or any(comparison.findings for comparison in comparisons))


def _pairs(old: list[Evidence], new: list[Evidence]) -> tuple[list[tuple[Evidence, Evidence]], list[str]]:
    """What is compared with what, and a line for each column that has no counterpart."""
    if len(old) == len(new) == 1:
        return [(old[0], new[0])], []
    before, after = ({one.column: one for one in side} for side in (old, new))
    if not before.keys() & after.keys():
        raise KsemError(f"A has {', '.join(before)}, and B {', '.join(after)}: there is no column to compare")
    # A single column stands for what it is compared with: the rest of the other side was not asked for.
    alone = [] if 1 in (len(before), len(after)) else [
        *(f"only in A, became unknown: {name}" for name in before if name not in after),
        *(f"only in B, appeared: {name}" for name in after if name not in before)]
    return [(one, after[name]) for name, one in before.items() if name in after], alone
