"""A project of its own to run ksem in, and ksem as its user runs it: as a process, on real kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The command, as a user's shell finds it.
COMMAND = (sys.executable, "-m", "ksem")
# The oldest kernel, one in the middle and the newest.
COLUMNS = ("debian-5.10", "debian-6.12", "debian-7.3")

FINE = '''"""The caller's user id."""
from ksem.guest.case import Case

CASE = Case(claim="Root is 0.", cites=("getuid(2)",), expect={"uid": 0})


def observe(lab):
    return {"uid": lab.getuid()}
'''


def make(directory: Path, **cases: str) -> Path:
    """A project with cases in the area `made`, by name and text."""
    (directory / "cases" / "made").mkdir(parents=True)
    (directory / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    for name, text in cases.items():
        (directory / "cases" / "made" / f"{name}.py").write_text(text)
    return directory


def environment() -> dict[str, str]:
    """Ours, without what a running pytest leaves in it, and without the width of a terminal (pytest-xdist sets COLUMNS)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_") and name != "COLUMNS"}


def ksem(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ksem ARGUMENTS` in a project."""
    return python(project, "-m", "ksem", *arguments)


def python(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` in a project."""
    return subprocess.run([sys.executable, *arguments], cwd=project, env=environment(),
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
