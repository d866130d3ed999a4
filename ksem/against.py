"""Stored evidence as what a run is judged by: is it as it was, whatever it should be.

Contract: `model`, `store`, `compare`, `seen`. Nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ksem import seen, store
from ksem.compare import Comparison, Difference, Kind, compare_run, difference
from ksem.model import Cell, Evidence, KsemError

# What `git bisect run` takes for: as it was, otherwise, cannot be told (git-bisect(1), 'Bisect run').
GOOD, BAD, UNTESTED = 0, 1, 125


class Against:
    """Evidence from a directory, for each column its own, or from one file for all of them.

    paths: the only leaves that count; all without any.
    """

    def __init__(self, path: Path, columns: Iterable[str], paths: Sequence[str] = ()) -> None:
        """Raises KsemError when there is no evidence of a column."""
        self.path, self.paths = path, tuple(paths)
        self._evidence = _read(path, list(columns))
        self._cells = {column: {_key(cell): cell for cell in one.cells} for column, one in self._evidence.items()}

    def difference(self, column: str, cell: Cell) -> Difference | None:
        """What a cell is now that it was not. None where it is the same or nothing is known of it."""
        found = difference(self._cells[column].get(_key(cell)), cell, paths=self.paths)
        return found if found and found.kind is not Kind.APPEARED else None

    def knows(self, column: str, cell: Cell) -> bool:
        """Whether the evidence says anything of a cell."""
        return seen.is_told(self._cells[column].get(_key(cell)))

    def compare(self, evidence: Evidence) -> Comparison:
        """What a run saw of a column, compared as a whole."""
        return compare_run(self._evidence[evidence.column], evidence, self.paths)


def _read(path: Path, columns: list[str]) -> Mapping[str, Evidence]:
    if path.is_file():
        return dict.fromkeys(columns, store.read_column(path))
    if not path.is_dir():
        raise KsemError(f"{path} does not exist: --against takes a directory of evidence, or the file of one column")
    found = {column: path / f"{store.file_name(column)}.json" for column in columns}
    for column, file in found.items():
        if not file.is_file():
            raise KsemError(f"{path} has no evidence of {column}: name the file of the column that it is to be compared with")
    return {column: store.read_column(file) for column, file in found.items()}


def _key(cell: Cell) -> tuple[str, str]:
    return cell.case, json.dumps(dict(cell.params), sort_keys=True)


def status(comparisons: Collection[Comparison]) -> int:
    """What `git bisect run` is to be told: BAD when anything changed, GOOD when all that was known is the same."""
    kinds = {one.kind for comparison in comparisons for one in comparison.differences}
    if Kind.CHANGED in kinds:
        return BAD
    if Kind.UNKNOWN in kinds or not any(comparison.same for comparison in comparisons):
        return UNTESTED
    return GOOD
