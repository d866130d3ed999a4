"""`ksem fetch`: bring kernels to this machine.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse

from ksem import kernels
from ksem.commands import _common
from ksem.model import Unavailable

HELP = "fetch the kernels of columns, so that no later run needs a network"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which kernels."""
    parser.add_argument("columns", nargs="*", metavar="COLUMN", help="as `ksem kernels` lists them; default: every series")


def run(options: argparse.Namespace) -> int:
    """Fetch what can be had; 1 when something cannot."""
    failed = False
    for column in _common.named_columns(_common.root(options), options.columns):
        try:
            kernels.source_of(column).resolve(column, _common.say)
        except Unavailable as failure:
            _common.say(f"ksem: {failure}")
            failed = True
    return int(failed)
