"""Runs that are judged by what was seen before, and the search for the release that changed it: on real kernels.

Guards: who bisects a kernel for a day relies on the exit status. The commands that `ksem bisect` prints are run as they are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import project
import pytest

from ksem.kernels import debian

CASE = "mount_locking.propagation"
# What 6.17 lost.
CHOICE = ("--params", "kind=unbindable", "--params", "unshared=user and mount", "--leaf", "inside")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A project whose one case was run on this machine."""
    directory = project.make(tmp_path, fine=project.FINE)
    assert project.ksem(directory, "run", "local", "-q").returncode == 0
    return directory


def changed(directory: Path) -> Path:
    """The evidence, as if another kernel had answered otherwise; the expectation stays right."""
    path = directory / "results" / "local.json"
    path.write_text(path.read_text().replace('"uid": 0', '"uid": 7'))
    return path


def run_pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=directory, env=project.environment(),
                          capture_output=True, text=True, check=False)


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_what_differs_from_stored_evidence_fails_where_the_expectation_is_met(made: Path, workers: list[str]) -> None:
    assert run_pytest(made, "--against", "results", *workers).returncode == 0
    stored = changed(made).read_bytes()
    ended = run_pytest(made, "--against", "results", *workers)
    assert ended.returncode == 1
    assert "made.fine on local is not as on local" in ended.stdout
    assert "  uid: 7 -> 0" in ended.stdout
    # What it was compared with is not what was seen now.
    assert (made / "results" / "local.json").read_bytes() == stored
    assert run_pytest(made, "--against", "results/local.json", "--results", "new").returncode == 1
    assert '"uid": 0' in (made / "new" / "local.json").read_text()


def test_what_the_evidence_does_not_know_is_judged_by_expectations_and_said(made: Path) -> None:
    (made / "cases/made/more.py").write_text(project.FINE.replace('expect={"uid": 0}', 'expect={"uid": 1}'))
    ended = run_pytest(made, "--against", "results")
    assert "1 failed, 1 passed" in ended.stdout
    assert "knows nothing of 1 cells: expectations judge them" in ended.stderr


def test_a_run_ends_as_git_wants_it(made: Path) -> None:
    same = project.ksem(made, "run", "local", "-q", "--against", "results")
    assert (same.returncode, "  1 the same\n" in same.stdout) == (0, True)
    changed(made)
    other = project.ksem(made, "run", "local", "-q", "--against", "results")
    assert (other.returncode, "    uid: 7 -> 0\n" in other.stdout) == (1, True)
    # The case is broken: nothing is known of the kernel.
    (made / "cases/made/fine.py").write_text(project.FINE.replace("lab.getuid()", "lab.nothing()"))
    broken = project.ksem(made, "run", "local", "-q", "--against", "results")
    assert (broken.returncode, "became unknown: made.fine" in broken.stdout) == (125, True)


def test_a_kernel_that_does_not_come_up_cannot_be_tested(made: Path) -> None:
    ended = project.ksem(made, "run", "debian-6.12", "-q", "--cold", "--boot-deadline", "0.01",
                         "--against", "results/local.json")
    assert ended.returncode == 125
    assert "debian-6.12: lost" in ended.stderr


def test_parameter_sets_are_chosen(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE.replace("expect=", 'params={"flag": ("a b", "c")}, expect=').replace(
        "observe(lab)", "observe(lab, flag)"))
    assert project.ksem(made, "run", "local", "-q", "-k", "made.fine", "--params", "flag=a b").returncode == 0
    cells = json.loads((made / "results" / "local.json").read_text())["cells"]["made.fine"]
    assert [cell["params"] for cell in cells] == [{"flag": "a b"}]


def test_a_whole_name_is_that_case_alone(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE, finer=project.FINE)
    assert project.ksem(made, "run", "local", "-q", "-k", "made.fine").returncode == 0
    assert list(json.loads((made / "results" / "local.json").read_text())["cells"]) == ["made.fine"]


@pytest.fixture(scope="module")
def found() -> subprocess.CompletedProcess[str]:
    """The search for what 6.17 changed, in the project's own evidence and the archive."""
    return project.ksem(project.ROOT, "bisect", CASE, *CHOICE, "--from", "debian-6.16", "--to", "debian-6.17")


def test_the_release_that_changed_a_behaviour_is_found(found: subprocess.CompletedProcess[str]) -> None:
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[0].startswith(f"{CASE} changed between 6.16.")
    assert "6.17." in lines[0].partition(" and ")[2]
    assert lines[1] == "  inside [kind=unbindable unshared=user and mount]: unbindable -> private"
    assert "In git (linux-stable): v6.16..v6.17." in found.stdout


def image(column: str) -> Path:
    """The kernel of a column, which the search has brought here."""
    made = debian.column(column)
    assert made is not None
    kernel = debian.at_hand(made)
    assert kernel is not None
    assert kernel.image is not None
    return kernel.image


def git(repository: Path, *arguments: str) -> str:
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
    return subprocess.run(["git", *who, *arguments], cwd=repository, capture_output=True, text=True, check=True,
                          env={**project.environment(), "GIT_CONFIG_GLOBAL": "/dev/null"}).stdout


def test_the_commands_for_git_find_the_commit(found: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    """A repository whose build gives out Debian's kernels, and once something that is none."""
    *_, start, run = found.stdout.splitlines()
    new, old = start.split()[-2:]
    (tmp_path / "Makefile").write_text("olddefconfig:\nbzImage:\n\tinstall -D $$(cat image) arch/x86/boot/bzImage\n")
    (tmp_path / ".gitignore").write_text("arch/\n")
    git(tmp_path, "init", "-q")
    before, after = image("debian-6.16"), image("debian-6.17")
    for number, built in enumerate([before, before, Path("Makefile"), before, after, after]):
        (tmp_path / "image").write_text(str(built))
        (tmp_path / "number").write_text(str(number))
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", f"commit {number}")
    git(tmp_path, "tag", old, "HEAD~5")
    git(tmp_path, "tag", new)
    for command in (start, run):
        ended = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=project.environment(), capture_output=True, text=True,
                               check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert git(tmp_path, "log", "-1", "--format=%s", "refs/bisect/bad") == "commit 4\n"
