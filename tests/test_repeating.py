"""What several runs of a cell agree in is what it shows; where they do not, nothing is known, and that is told.

Guards: a cell that varies must not pass because its first run did.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import project
import pytest
from made import case, cell, evidence

from ksem import store
from ksem.model import Verdict
from ksem.repeating import Run, together, varying

SO: Run = (cell({"is": "so"}), ("a call",))
CALLS: Run = (cell({"is": "so"}), ("another call",))
NOT: Run = (cell({"is": "not"}), ("a call",))
LOST: Run = (cell(status="lost", reason="why"), ())
COLUMN = evidence("debian-6.12", "6.12.3")


def test_runs_that_agree_are_one() -> None:
    assert together([SO, SO, SO]) is SO
    assert together([LOST, LOST]) is LOST
    assert varying(case(), [NOT, NOT], COLUMN) == ""


def test_what_is_lost_each_time_is_lost_whatever_the_kernel_said_last() -> None:
    later: Run = (cell(status="lost", reason="why, and later"), ())
    assert together([LOST, later]) is LOST
    assert varying(case(), [LOST, later], COLUMN) == ""


@pytest.mark.parametrize(("runs", "reason", "rate"), [
    ((SO, SO, NOT), '1 of 3 runs are not as the first; run 3: {"is": "not"}, not {"is": "so"}', "2 of 3"),
    ((SO, CALLS), "1 of 2 runs are not as the first; run 2: other system calls", "2 of 2"),
    ((LOST, SO, SO), '2 of 3 runs are not as the first; run 2: {"is": "so"}, not lost (why)', "2 of 3"),
])
def test_runs_that_do_not_agree_are_flaky(runs: tuple[Run, ...], reason: str, rate: str) -> None:
    found, trace = together(runs)
    assert (found.status, found.observation, found.reason, trace) == (Verdict.FLAKY, None, reason, ())
    assert varying(case(), runs, COLUMN) == f"area.thing {{}} on debian-6.12: {rate} as expected"


def run(made: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.ksem(made, "run", "local", "--repeat", *arguments)


def test_what_varies_is_told_and_never_green(tmp_path: Path) -> None:
    """Also when it is as expected the first time."""
    varies = project.FINE.replace("\n\nCASE", "\nSEEN = []\n\nCASE").replace(
        "return", "SEEN.append(1)\n    lab.mkdir('call', 0o700) if len(SEEN) % 2 == 0 else None\n    return")
    made = project.make(tmp_path, fine=project.FINE, varies=varies)
    done = run(made, "4")
    assert done.returncode == 1
    assert "2 cells, 4 times each: 1 vary" in done.stdout
    assert "made.varies {} on local: 4 of 4 as expected" in done.stdout
    assert {one.case: one.status for one in store.read(made / "results")[0].cells} == {
        "made.fine": "observed", "made.varies": "flaky"}


def test_what_does_not_vary_leaves_the_same_evidence(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    project.ksem(made, "run", "local")
    before = (made / "results" / "local.json").read_bytes()
    done = run(made, "3")
    assert done.returncode == 0
    assert "1 cells, 3 times each: none vary" in done.stdout
    assert (made / "results" / "local.json").read_bytes() == before


@pytest.mark.parametrize("text", ["0", "-1", "often"])
def test_a_number_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    wrong = run(project.make(tmp_path, fine=project.FINE), text)
    assert wrong.returncode == 2
    assert "--repeat" in wrong.stderr
