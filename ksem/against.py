"""Stored evidence as what a run is judged by: is it as it was, whatever it should be.

Contract: `model`, `store`, `compare`. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ksem import store
from ksem.compare import OTHERWISE, Comparison, Difference, Kind, difference
from ksem.model import Cell, Evidence, KsemError, cell_key

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
        self._cells = {column: {cell_key(cell.case, cell.params): cell for cell in one.cells}
                       for column, one in self._evidence.items()}

    def judge(self, column: str, cell: Cell) -> Difference | None:
        """What became of a cell; None when nothing was known of it and nothing is."""
        return difference(self._cells[column].get(cell_key(cell.case, cell.params)), cell, paths=self.paths)

    def changed(self, outcome: Difference, column: str) -> str:
        """Every value that is not what the evidence has."""
        lines = [f"{outcome.case} on {column} is not as on {self.named(column)}:"]
        return "\n".join([*lines, *(f"  {line}" for line in outcome.told)])

    def named(self, column: str) -> str:
        """What a column is compared with, for whoever reads of a difference."""
        return f"{self._evidence[column].column} ({self._evidence[column].release}) of {self.path}"


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


def status(comparisons: Collection[Comparison]) -> int:
    """What `git bisect run` is to be told: BAD when anything is otherwise, GOOD when all that was known is the same."""
    kinds = {one.kind for comparison in comparisons for one in comparison.differences}
    if kinds & set(OTHERWISE):
        return BAD
    if Kind.UNKNOWN in kinds or not any(comparison.same for comparison in comparisons):
        return UNTESTED
    return GOOD
