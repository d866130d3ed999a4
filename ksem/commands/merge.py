"""`ksem merge`: the evidence of several runs, each of which had its share, as one.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ksem import store
from ksem.commands import _common
from ksem.merging import merged
from ksem.model import Evidence, KsemError

HELP = "merge the evidence of runs that shared the columns or the cases among them"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What is merged, and where it goes."""
    parser.description = ("All cells of all columns of these runs, as one run of everything would have stored them. Where two"
                          " have the same column, it must be of one release and environment, and cells that both have must"
                          " be the same: otherwise nothing is written. What --results has already takes part.")
    parser.add_argument("shards", nargs="+", type=Path, metavar="RESULTS", help="evidence, a directory or a file")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where it is stored (default: results/)")


def run(options: argparse.Namespace) -> int:
    """Merge; nothing is written unless all of it can be. Tells of what has no evidence, as a column that could not be had."""
    results: Path = options.results or _common.root(options) / "results"
    store.check(results)
    found: list[tuple[Path, Evidence]] = []
    for shard in options.shards:
        evidence = _common.evidence_at(shard)
        if not evidence:
            _common.say(f"ksem: no evidence in {shard}")
        found += [(shard, one) for one in evidence]
    if not found:
        raise KsemError("there is nothing to merge: `ksem run --results DIR` makes evidence")
    # What is there comes last: of two that do not agree, it is named second.
    whole = merged([*found, *((results, one) for one in store.read(results))])
    for notice in store.write(results, whole, {cell.case for one in whole for cell in one.cells}):
        _common.say(f"ksem: {notice}")
    cells = sum(len(one.cells) for one in whole)
    _common.show(f"{results}: {len(whole)} columns, {cells} cells", "\n")
    return 0
