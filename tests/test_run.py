"""What `ksem run` shows of columns that could not be had, and what it makes of pytest.

Guards: names of machines end in anything, and none of it makes the matrix an error; what a project asks of pytest is heeded.
The command itself is tried in test_cli.py, on kernels in test_on_kernels.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made import CASE_TEXT, behaviour, case, cell, evidence, project

from ksem.commands.run import _with_problems
from ksem.model import NO_RELEASE, Column, Unavailable

COLUMNS = {
    "debian-6.12": ("debian:6.12", "6.12"),
    "debian-12-vagrant-on-6.12": ("debian:6.12", "6.12"),
    "debian-12-vagrant": ("machine", NO_RELEASE),
    "vagrant:fedora-39": ("machine", NO_RELEASE),
    "vagrant:ubuntu-22.04": ("machine", NO_RELEASE),
    "image:/boot/vmlinuz-39": ("image:/boot/vmlinuz-39", NO_RELEASE),
}


@pytest.mark.parametrize(("name", "source", "release"), [(name, *given) for name, given in COLUMNS.items()], ids=COLUMNS)
def test_a_column_that_never_was_had_has_the_release_that_it_asks_for(name: str, source: str, release: str) -> None:
    column = Column(name, "vagrant", source)
    [found] = _with_problems([], [column], {name: Unavailable(f"{name}: no luck", lost=True)}, [behaviour(case())])
    assert (found.release, found.problem, [one.status for one in found.cells]) == (release, "no luck", ["lost"])


def test_what_was_seen_before_is_not_what_a_run_saw_that_could_not_have_the_column() -> None:
    before = evidence("debian-6.12", "6.12.90", cell({"is": "so"}))
    column = Column("debian-6.12", "qemu", "debian:6.12")
    [found] = _with_problems([before], [column], {"debian-6.12": Unavailable("no disk")}, [behaviour(case())])
    assert (found.cells, found.problem) == ((), "no disk")


@pytest.mark.parametrize(("where", "text"), [
    ("", ""), ("", "--lf --junitxml=report.xml"),
    ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--lf -n 2"\n'),
    ("pytest.ini", "[pytest]\naddopts = --doctest-modules --stepwise\n"),
    ("../pytest.ini", "[pytest]\naddopts = --lf\n"), ("setup.cfg", "[tool:pytest]\nrequired_plugins = pytest-xdist\n"),
    ("tox.ini", "[pytest]\ncache_dir = .pytest_cache\n"),
    ("conftest.py", "def pytest_configure(config):\n    assert config.cache and config.getoption('numprocesses') is None\n")])
def test_what_a_project_asks_of_pytest_is_understood(where: str, text: str, tmp_path: Path) -> None:
    """Plugins are left out for speed alone, and never where somebody may mean one."""
    (tmp_path / "project").mkdir()
    made = project(tmp_path / "project", {"area/thing": CASE_TEXT}, '[local]\nbackend = "local"\nkernel = "host"\n')
    if where:
        (made / where).write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTEST_ADDOPTS": text} if text and not where else {}
    ran = subprocess.run([sys.executable, "-m", "ksem", "--project", str(made), "run", "local"], env=environment, check=False,
                         capture_output=True, text=True, cwd=made)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "2 passed" in ran.stdout
    assert (made / ".pytest_cache").exists() == bool(text)
