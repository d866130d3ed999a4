"""Evidence that was seen in several places as one: what a run of it all in one place would have stored.

Contract: `model`. Pure. Places agree, or they cannot be merged: nothing says which of two kernels or answers is the right one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from ksem.model import Cell, Evidence, KsemError, cell_key

MEND = "merge them into directories of their own, or run one again"


def merged(found: Iterable[tuple[Path, Evidence]]) -> list[Evidence]:
    """Each column once, with all cells of the places where it was found.

    Raises KsemError where two places have a column of another release or environment, or a cell with another content.
    """
    columns: dict[str, tuple[Path, Evidence]] = {}
    cells: dict[str, dict[tuple[str, str], tuple[Path, Cell]]] = {}
    for place, one in found:
        first, head = columns.setdefault(one.column, (place, one))
        for what in _otherwise(head, one):
            raise KsemError(f"{one.column} has {what} in {first} and in {place}: {MEND}")
        known = cells.setdefault(one.column, {})
        for cell in one.cells:
            key = cell_key(cell.case, cell.params)
            there, same = known.setdefault(key, (place, cell))
            if same != cell:
                values = "".join(f", {name}={value}" for name, value in cell.params.items())
                raise KsemError(f"{cell.case} on {one.column}{values} is not the same in {there} and in {place}: {MEND}")
    return [dataclasses.replace(head, cells=tuple(cell for _, cell in cells[name].values()))
            for name, (_, head) in columns.items()]


def _otherwise(one: Evidence, other: Evidence) -> Iterable[str]:
    """In what two are not of one kernel in one environment."""
    if one.release != other.release:
        yield f"two releases, {one.release} and {other.release},"
    names = sorted(name for name in {*one.environment, *other.environment}
                   if one.environment.get(name) != other.environment.get(name))
    if names:
        yield f"another environment ({', '.join(names)})"
    if one.remark != other.remark:
        yield f"another remark ({one.remark or 'none'}; {other.remark or 'none'})"
