"""`ksem run --mutate` on a real kernel: calls are really left out, results really flipped, and what nobody notices is told.

Guards: a case that looks at nothing must not pass for one that shows something.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import project
import pytest

COLUMN = project.COLUMNS[-1]
CASE = '''"""What is made is there."""
from ksem.guest.case import Case
from ksem.guest.flags import MS

CASE = Case(claim="It is there.", cites=("mkdir(2)",), params={"mode": (0o700, 0o755)},
            expect=lambda mode: {"mode": "%05o" % mode, "owner": 7, "gone": "ok", "flags": ["ro"]}, SURVIVORS)


def observe(lab, mode):
    lab.mkdir("idle", 0o755)
    lab.mkdir("seen", mode)
    lab.tmpfs("mount", ["ro"])
    lab.file("file", owner=7)
    lab.status("file")
    lab.attempt.rmdir("idle too")
    return {"mode": lab.status("seen")["mode"], "owner": lab.status("file")["uid"],
            "flags": [one for one in lab.mountinfo("mount")["flags"] if one in ("ro", "rw")],
            "gone": lab.attempt.rmdir("seen")}
'''
IDLE = 'drop, 2 times, line 10: main: mkdir("idle", 0755) = 0'
UNREAD = "flip, 2 times, line 14: main: statx("
IGNORED = 'flip, 2 times, line 15: main: rmdir("idle too") = -1 ENOENT'


def run(made: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ksem run --mutate` in a project."""
    return project.ksem(made, "run", COLUMN, "--mutate", *arguments)


def case(survivors: dict[str, str] | None = None) -> str:
    """The text of the case with these explanations."""
    return CASE.replace("SURVIVORS", f"survivors={survivors or {}!r}")


def test_what_nobody_needs_or_looks_at_is_told(tmp_path: Path) -> None:
    done = run(project.make(tmp_path, looks=case(), fine=project.FINE))
    assert done.returncode == 1, done.stdout + done.stderr
    for survivor in (IDLE, UNREAD, IGNORED):
        assert survivor in done.stdout
    assert done.stdout.count("not explained") == 3
    assert "made.fine: 1 cells, 1 mutants, 1 killed" in done.stdout
    assert "made.looks: 2 cells, " in done.stdout
    assert "3 survive, 1 at its word" in done.stdout
    assert not (tmp_path / "results" / f"{COLUMN}.json").exists()


def test_columns_are_asked_together(tmp_path: Path) -> None:
    """What is noticed on one kernel is needed, and each has a worker."""
    made = project.make(tmp_path, looks=case())
    done = project.ksem(made, "run", *project.COLUMNS[::2], "--mutate", "-n", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert IDLE.replace("2 times", "4 times") in done.stdout
    assert "made.looks: 4 cells, " in done.stdout


def test_of_a_part_it_is_told_and_is_no_error(tmp_path: Path) -> None:
    done = run(project.make(tmp_path, looks=case()), "--params", "mode=448")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "made.looks: 1 of its 2 cells, " in done.stdout
    assert done.stdout.count("not noticed by these") == 3


def test_a_case_explains_what_nobody_can_notice(tmp_path: Path) -> None:
    survivors = {'drop mkdir("idle"*': "It is in nobody's way.", "flip statx(*": "for show", "flip rmdir(*": "for show"}
    done = run(project.make(tmp_path, looks=case(survivors)), "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "explained: It is in nobody's way." in done.stdout


def test_an_explanation_that_fits_nothing_is_an_error(tmp_path: Path) -> None:
    fine = project.FINE.replace('expect={"uid": 0}', 'expect={"uid": 0}, survivors={"drop getuid(*": "why"}')
    done = run(project.make(tmp_path, fine=fine))
    assert done.returncode == 1
    assert "explains no survivor: 'drop getuid(*'" in done.stdout


@pytest.mark.parametrize("arguments", [("run", "local", "--mutate"), ("run", COLUMN, "--mutate", "--repeat", "2"),
                                       ("run", COLUMN, "--mutate", "--against", "results")])
def test_what_makes_no_sense_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    wrong = project.ksem(project.make(tmp_path, fine=project.FINE), *arguments)
    assert wrong.returncode in (2, 125)
    assert len(wrong.stderr.splitlines()) == 1
    assert "--mutate" in wrong.stderr


@pytest.mark.parametrize("pattern", ["mkdir(*", "lose mkdir(*"])
def test_an_explanation_names_what_it_explains(tmp_path: Path, pattern: str) -> None:
    wrong = run(project.make(tmp_path, looks=case({pattern: "why"})))
    assert wrong.returncode == 2
    assert "survivors=" in wrong.stderr
