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
                          " directories are compared column by column, in those of vms/catalog.toml. Exit status: 0 all"
                          " that A knows is so in B too, 1 some of it changed, vanished or became unknown. A column that no"
                          " plain `ksem run` has (a Vagrant machine) may be missing in B.")
    parser.add_argument("old", metavar="A", help="a column, a file or a directory")
    parser.add_argument("new", metavar="B", help="what A is compared with")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where columns are looked up (default: results/)")


def run(options: argparse.Namespace) -> int:
    """Print the differences of each pair; 1 when something is no longer what it was."""
    root = _common.root(options)
    behaviours = catalog.behaviours(root)
    results = options.results or root / "results"
    old, new = (_common.evidence_of(name, results) for name in (options.old, options.new))
    both = Path(options.old).is_dir() and Path(options.new).is_dir()
    if both:
        old, new = (_common.listed(root, side, how="its file") for side in (old, new))
    pairs = _pairs(old, new, both)
    comparisons = [compare.compare(one, other, behaviours) for one, other in pairs]
    told = [compare.text(comparison, behaviours, _common.width()) for comparison in comparisons]
    gone, come = ([one.column for one in side if one.column not in {pair[0].column for pair in pairs}] if both else []
                  for side in (old, new))
    spare = {entry.name for entry in catalog.entries(root) if not entry.default}
    missing = ((name, "and not run unless named" if name in spare else "became unknown") for name in gone)
    told += ["\n".join([*(f"only in A, {what}: {name}" for name, what in missing),
                        *(f"only in B, appeared: {name}" for name in come)])] if gone or come else []
    _common.show("\n\n".join(told), "\n")
    return int(not spare.issuperset(gone) or any(comparison.findings for comparison in comparisons))


def _pairs(old: list[Evidence], new: list[Evidence], both: bool) -> list[tuple[Evidence, Evidence]]:
    """What is compared with what. both: whether both are directories, whose columns are compared each with its own."""
    if len(old) == len(new) == 1 and not both:
        return [(old[0], new[0])]
    after = {one.column: one for one in new}
    pairs = [(one, after[one.column]) for one in old if one.column in after]
    if not pairs:
        names = (", ".join(one.column for one in side) for side in (old, new))
        raise KsemError(f"A has {next(names)}, and B {next(names)}: there is no column to compare")
    return pairs
