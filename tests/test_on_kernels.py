"""All cases on the oldest kernel, one in the middle and the newest, booted for real.

What was committed as evidence is checked here: the same exact release must show the same again, to the last system call.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import project
import pytest

from ksem import catalog, items, matrix, store
from ksem.guest.case import combinations
from ksem.kernels import debian
from ksem.model import Evidence, Verdict, release_key

COLUMNS = project.COLUMNS


def evidence(directory: Path, column: str) -> Evidence:
    return store.read_column(directory / f"{column}.json")


def test_every_cell_is_as_expected(run: subprocess.CompletedProcess[str], results: Path) -> None:
    assert run.returncode == 0, run.stdout + run.stderr
    found = matrix.build(catalog.behaviours(project.ROOT), store.read(results))
    counts = Counter(result.verdict for result in found.results())
    assert set(counts) == {Verdict.CONFORMS, Verdict.UNSUPPORTED}
    assert counts[Verdict.CONFORMS] > 10 * counts[Verdict.UNSUPPORTED]


def test_every_column_starts_once(run: subprocess.CompletedProcess[str]) -> None:
    assert Counter(re.findall(r"(\S+): (?:booted|restored)", run.stderr)) == dict.fromkeys(COLUMNS, 1)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_committed_evidence_holds(run: subprocess.CompletedProcess[str], results: Path, column: str) -> None:
    """A newer release of the series may differ; then the committed one must be older, and its evidence is due again."""
    fresh, committed = evidence(results, column), evidence(project.ROOT / "results", column)
    if fresh.release == committed.release:
        assert fresh.cells == committed.cells
    else:
        assert release_key(fresh.release) > release_key(committed.release)


def test_a_second_run_changes_no_byte(run: subprocess.CompletedProcess[str], results: Path) -> None:
    """Backwards, and two of three items left out: whatever is numbered by the kernel comes out otherwise."""
    before = {path: path.read_bytes() for path in results.rglob("*.json")}
    column, *_ = COLUMNS
    chosen = [f"{one.path.relative_to(project.ROOT)}::{items.name(column, params)}"
              for one in catalog.behaviours(project.ROOT) for params in combinations(one.case)]
    again = project.python(project.ROOT, "-m", "pytest", "-q", "--column", column, "--results", str(results), *chosen[::-3])
    assert again.returncode == 0, again.stdout + again.stderr
    assert sum(map(int, re.findall(r"(\d+) (?:passed|skipped)", again.stdout))) == len(chosen[::-3])
    assert {path: path.read_bytes() for path in results.rglob("*.json")} == before


def test_an_image_with_modules_of_ones_own(run: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    """overlay is a module of this kernel: the cell conforms only if --modules brought it along."""
    column = debian.column(COLUMNS[0])
    assert column is not None
    kernel = debian.at_hand(column)
    assert kernel is not None
    made = project.ksem(project.ROOT, "run", f"image:{kernel.image}", "--modules", str(kernel.modules),
                        "-k", "cleared and overlay", "--results", str(tmp_path), "-q")
    assert made.returncode == 0, made.stdout + made.stderr
    assert {cell.status for one in store.read(tmp_path) for cell in one.cells} == {"observed"}
