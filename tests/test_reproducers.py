"""Reproducers show in the kernels what their cases saw there: compiled statically, booted with three kernels, compared.

Guards: a program that is pasted into a mail as proof and then shows something else. Each must compile without a warning and
agree with its case in every result; where kernels differ, the program of one must say so on the other. Here each case's
calls are covered with all their outcomes; `make reproducers` runs those of every cell.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import project
import pytest
import reproducing
from reproducing import Binary, Ended

from ksem import catalog, store
from ksem.model import Cell, Evidence
from ksem.repro.steps import steps

OLDEST, *_, NEWEST = project.COLUMNS


@pytest.fixture(scope="module")
def behaviours() -> dict[str, catalog.Behaviour]:
    return {one.name: one for one in catalog.behaviours(project.ROOT)}


@pytest.fixture(scope="module")
def columns(run: subprocess.CompletedProcess[str], results: Path,
            behaviours: dict[str, catalog.Behaviour]) -> dict[str, tuple[Evidence, list[Cell]]]:
    """What these kernels have just been seen to do."""
    evidence = {column: store.read_column(results / f"{column}.json") for column in project.COLUMNS}
    return {column: (one, reproducing.covering(reproducing.observed(one, behaviours))) for column, one in evidence.items()}


@pytest.fixture(scope="module")
def binary(columns: dict[str, tuple[Evidence, list[Cell]]], tmp_path_factory: pytest.TempPathFactory) -> Binary:
    return Binary(tmp_path_factory.mktemp("reproducers"), columns)


@pytest.fixture(scope="module")
def ended(binary: Binary, columns: dict[str, tuple[Evidence, list[Cell]]]) -> dict[str, dict[str, Ended]]:
    """How the programs ended on each kernel; those of the oldest are run on the newest too."""
    cells = {column: chosen for column, (_, chosen) in columns.items()}
    cells[NEWEST] = [*cells[NEWEST], *cells[OLDEST]]
    return {column: binary.run_on(column, chosen, print) for column, chosen in cells.items()}


@pytest.mark.parametrize("column", project.COLUMNS)
def test_every_case_has_a_program(columns: dict[str, tuple[Evidence, list[Cell]]], column: str) -> None:
    evidence, chosen = columns[column]
    assert {cell.case for cell in chosen} == {cell.case for cell in evidence.cells if cell.status == "observed"}


@pytest.mark.parametrize("column", project.COLUMNS)
def test_a_program_agrees_with_its_case(columns: dict[str, tuple[Evidence, list[Cell]]], ended: dict[str, dict[str, Ended]],
                                        column: str) -> None:
    own = {reproducing.key(cell): ended[column][reproducing.key(cell)] for cell in columns[column][1]}
    assert own
    assert {name: one.differing for name, one in own.items() if one.status != 0} == {}


@pytest.mark.parametrize("column", project.COLUMNS)
def test_a_program_prints_a_line_for_each_event(columns: dict[str, tuple[Evidence, list[Cell]]],
                                                ended: dict[str, dict[str, Ended]], column: str) -> None:
    for cell in columns[column][1]:
        *lines, last = ended[column][reproducing.key(cell)].said.splitlines()
        assert [line[8:].partition(":")[0] for line in lines] == [event[0] for event in cell.trace]
        assert last.startswith(f"{len(cell.trace)} of {len(cell.trace)} results are those of ")


def test_a_program_of_another_behaviour_says_so(columns: dict[str, tuple[Evidence, list[Cell]]],
                                                ended: dict[str, dict[str, Ended]]) -> None:
    """Where the newest kernel gave other results, the oldest's program cannot agree there."""
    now = {(cell.case, *cell.params.items()): compared(cell) for cell in columns[NEWEST][0].cells if cell.status == "observed"}
    changed = [cell for cell in columns[OLDEST][1]
               if now.get((cell.case, *cell.params.items()), compared(cell)) != compared(cell)]
    assert len(changed) > 10
    assert {key: one.status for key in map(reproducing.key, changed) if (one := ended[NEWEST][key]).status != 1} == {}


def compared(cell: Cell) -> list[str]:
    """What a program compares of a trace: not what is the machine's own."""
    return steps(cell.trace, "root").lines
