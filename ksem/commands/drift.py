"""`ksem drift`: where documentation and kernels disagree, ready to send.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse

from ksem import catalog, drift
from ksem.commands import _common
from ksem.model import KsemError

HELP = "list the claims where documentation and kernels disagree, with the evidence"


def arguments(parser: argparse.ArgumentParser) -> None:
    """About which pages, and how much of the evidence."""
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="chown(2), or just chown (default: all)")
    parser.add_argument("--calls", type=_common.count, default=drift.CALLS, metavar="N",
                        help=f"how many calls an entry shows (default: {drift.CALLS})")
    _common.evidence_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the list."""
    matrix = _common.matrix_of(options, catalog.behaviours(_common.root(options)), traces=True)
    known = sorted({page for section in drift.drifting(matrix.sections) for page in drift.pages(section)})
    names = [*known, *sorted({page.partition("(")[0] for page in known})]
    for page in options.pages:
        if not drift.by_page(matrix, [page]):
            raise KsemError(f"no claim is about {page!r}{catalog.nearest(page, names)}: there are {', '.join(known)}")
    _common.show(drift.text(matrix, options.pages, options.calls))
    return 0
