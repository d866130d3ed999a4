"""`ksem cases`: the cases that there are.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse

from ksem import catalog
from ksem.commands import _common
from ksem.guest.case import combinations

HELP = "list the cases: name, number of parameter sets, claim"


def arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """Print a line for each case."""
    behaviours = catalog.behaviours(_common.root(options))
    _common.show_table([("CASE", "SETS", "CLAIM"), *(
        (one.name, str(len(combinations(one.case))), one.case.claim) for one in behaviours)])
    return 0
