"""The plugin as a user of pytest meets it: ids, selection, reruns, junit, xdist; in another project, from the wheel."""

from __future__ import annotations

import platform
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import project
import pytest

from ksem.model import upstream_release

TABLE = '''"""A number is itself."""
from ksem.guest.case import Case

CASE = Case(claim="A number is itself.", cites=("getuid(2)",), params={"number": (1, 2, 3), "word": ("a", "b")},
            expect=lambda number, word: {"seen": 0 if number == 2 and word == "b" else number})


def observe(lab, number, word):
    return {"seen": number}
'''
NEEDS = project.FINE.replace("expect=", 'needs=("fs:befs",), expect=')


def run_pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=directory, env=project.environment(),
                          capture_output=True, text=True, check=False)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return project.make(tmp_path, table=TABLE, needs=NEEDS, fine=project.FINE)


def test_pytest_alone_runs_the_cases_on_the_local_kernel(made: Path) -> None:
    ended = run_pytest(made, "-v")
    assert "cases/made/table.py::local[2-b] FAILED" in ended.stdout
    assert "seen: expected 0, observed 2" in ended.stdout
    assert "cases/made/needs.py::local SKIPPED" in ended.stdout
    assert "1 failed, 6 passed, 1 skipped" in ended.stdout
    assert (made / "results" / "local.json").exists()


@pytest.mark.parametrize("does", [
    'return {"uid": "\\x1b[2J\\x9b1m"}', 'raise OSError("\\x1b]0;mine\\x07")', 'raise Unsupported("no \\x1b[2J")'])
def test_no_terminal_obeys_what_a_case_saw(tmp_path: Path, does: str) -> None:
    text = project.FINE.replace("return {\"uid\": lab.getuid()}", does).replace("import Case", "import Case, Unsupported")
    project.make(tmp_path, speaks=text)
    for arguments in (("-v", "-rA"), ("-v", "-rA", "-n", "1")):
        ended = run_pytest(tmp_path, *arguments)
        assert "x1b" in ended.stdout
        assert all(one.isprintable() or one == "\n" for one in ended.stdout + ended.stderr)


def test_selection_and_reruns(made: Path) -> None:
    assert "2 passed" in run_pytest(made, "-k", "table and 1").stdout
    assert "1 failed" in run_pytest(made, "-x", "-k", "2-b or fine").stdout
    assert "1 failed, 6 passed" in run_pytest(made, "-n", "2").stdout
    again = run_pytest(made, "--lf", "-n", "2")
    assert "1 failed in" in again.stdout
    assert "1 failed in" in run_pytest(made, "--lf").stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_junit_names_column_release_and_observation(made: Path, workers: tuple[str, ...]) -> None:
    (made / "cases/made/breaks.py").write_text(project.FINE.replace("lab.getuid()", "lab.rmdir('not \\x1b<there>')"))
    run_pytest(made, "--junitxml", "report.xml", "-k", "fine or needs or breaks or 2-b", *workers)
    found = {}
    for case in ElementTree.parse(made / "report.xml").iter("testcase"):
        properties = {one.get("name"): one.get("value") for one in case.iter("property")}
        assert (properties.pop("column"), set(properties)) == ("local", {"release", "verdict", "observation"})
        assert properties["release"] == upstream_release(platform.release(), platform.version())
        outcome = next((child.tag for child in case if child.tag != "properties"), "passed")
        found[str(case.get("classname")).rpartition(".")[2]] = outcome, properties["verdict"], properties["observation"]
    assert found == {
        "fine": ("passed", "conforms", '{"uid": 0}'), "table": ("failure", "differs", '{"seen": 2}'),
        "needs": ("skipped", "unsupported", "null"), "breaks": ("error", "broken", "null")}


def test_junit_names_a_column_that_could_not_be_had(made: Path) -> None:
    run_pytest(made, "--junitxml", "report.xml", "-k", "fine", "--column", "debian-1.0")
    [case] = ElementTree.parse(made / "report.xml").iter("testcase")
    assert [(one.get("name"), one.get("value")) for one in case.iter("property")] == [("column", "debian-1.0")]
    assert case[-1].tag == "error"


def test_cases_of_one_name_can_be_given_by_their_paths(made: Path) -> None:
    """pytest would import a file that it is given as a module of tests, and two of one name clash."""
    (made / "cases" / "other").mkdir()
    (made / "cases" / "other" / "fine.py").write_text(project.FINE)
    ended = run_pytest(made, "cases/other/fine.py", "cases/made/fine.py")
    assert (ended.returncode, "2 passed" in ended.stdout) == (0, True), ended.stdout


def test_workers_send_and_the_controller_stores_the_same(made: Path) -> None:
    run_pytest(made)
    alone = {path: path.read_bytes() for path in (made / "results").rglob("*.json")}
    run_pytest(made, "-n", "2")
    assert {path: path.read_bytes() for path in (made / "results").rglob("*.json")} == alone


def test_a_mistake_in_a_case_is_one_line(tmp_path: Path) -> None:
    made = project.make(tmp_path, wrong="CASE = 3\n")
    ended = project.ksem(made, "run", "local")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith("wrong.py: has no CASE = Case(...)\n")
    assert run_pytest(made).returncode == 2


def test_the_wheel_serves_another_project(made: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Installed from a wheel, apart from this checkout: the plugin and the command come with it."""
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", place, project.ROOT], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", place / "installed", *place.glob("ksem-*.whl")], check=True)
    where = "import ksem, sys; sys.stdout.write(ksem.__file__); import pytest; sys.exit(pytest.main(['-q']))"
    installed = {**project.environment(), "PYTHONPATH": str(place / "installed")}
    ended = subprocess.run([sys.executable, "-c", where], cwd=made, capture_output=True, text=True, check=False, env=installed)
    assert ended.stdout.startswith(str(place / "installed"))
    assert "1 failed, 6 passed, 1 skipped" in ended.stdout
    assert (made / "results" / "local.json").exists()
    page = subprocess.run([sys.executable, "-m", "ksem", "matrix", "--format", "html"], cwd=made, capture_output=True,
                          text=True, check=True, env=installed)
    assert page.stdout.startswith("<!doctype html>")
    assert sorted(path.name for path in (place / "installed/ksem/schemas").iterdir()) == sorted(
        path.name for path in (project.ROOT / "ksem/schemas").iterdir())
