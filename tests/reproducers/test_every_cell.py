"""The reproducer of every cell of the stored evidence, on every kernel that is booted for it: `make reproducers`.

For whoever adds a case, a reader or a part; what `make test` runs are those that cover the calls (test_reproducers.py).
"""

from __future__ import annotations

import project
import pytest
import reproducing
from reproducing import Binary

from ksem import catalog, store
from ksem.model import Cell, Evidence

RESULTS = project.ROOT / "results"
COLUMNS = [entry.name for entry in catalog.entries(project.ROOT)
           if entry.backend == "qemu" and (RESULTS / f"{entry.name}.json").exists()]


@pytest.fixture(scope="module")
def columns() -> dict[str, tuple[Evidence, list[Cell]]]:
    behaviours = {one.name: one for one in catalog.behaviours(project.ROOT)}
    evidence = {column: store.read_column(RESULTS / f"{column}.json") for column in COLUMNS}
    return {column: (one, reproducing.observed(one, behaviours)) for column, one in evidence.items()}


@pytest.fixture(scope="module")
def binary(columns: dict[str, tuple[Evidence, list[Cell]]], tmp_path_factory: pytest.TempPathFactory) -> Binary:
    return Binary(tmp_path_factory.mktemp("reproducers"), columns)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_program_agrees_with_its_cell(columns: dict[str, tuple[Evidence, list[Cell]]], binary: Binary, column: str) -> None:
    evidence, cells = columns[column]
    assert cells, f"{column} holds nothing that was observed"
    ended = binary.run_on(column, cells, print)
    assert {name: one.differing for name, one in ended.items() if one.status != 0} == {}, f"seen on {evidence.release}"
