"""The ids of pytest's items, `cases/AREA/BEHAVIOUR.py::COLUMN[VALUE-VALUE]`: made, and taken apart again.

Contract: `catalog` and `ksem.guest.case`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from ksem.catalog import Behaviour
from ksem.guest.case import Params, combinations


def name(column: str, params: Params) -> str:
    """How pytest names a parameter set on a column, behind the case's file and `::`."""
    values = "-".join(str(value) for value in params.values())
    return f"{column}[{values}]" if values else column


def column_of(nodeid: str) -> str:
    """The column of an item."""
    return nodeid.rpartition(".py::")[2].partition("[")[0]


def cell_of(nodeid: str, behaviours: Iterable[Behaviour]) -> tuple[str, Params] | None:
    """The case and the parameter set of an item; None for what is none of these cases'."""
    path, _, inside = nodeid.partition(".py::")
    case = path.removeprefix("cases/").replace("/", ".")
    column = column_of(nodeid)
    return next(((one.name, params) for one in behaviours if one.name == case for params in combinations(one.case)
                 if name(column, params) == inside), None)
