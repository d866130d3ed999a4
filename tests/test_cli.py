"""The command: what it takes, what it prints, and that a mistake of the user is one line and exit status 2.

Guards: scripts rely on the exit status; nobody should see a traceback for a name that was misspelled. No kernel is run here.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made import CASE_TEXT, cell, evidence, project

from ksem import __version__, commands, renderers, store
from ksem.cli import main

CATALOG = '[local]\nbackend = "local"\nkernel = "host"\n\n["debian-6.12"]\nbackend = "qemu"\nkernel = "debian:6.12"\n'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one case and two columns, with evidence of both; the current directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "project").mkdir()
    made = project(tmp_path / "project", {"area/thing": CASE_TEXT}, CATALOG)
    cells = [cell({"is": "file"}, {"kind": "plain"}), cell({"is": "odd"}, {"kind": "other"})]
    store.write(made / "results", [evidence("debian-6.12", "6.12.90", *cells), evidence("local", "6.1", cells[0])],
                ["area.thing"])
    monkeypatch.chdir(made)
    return made


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which the command refuses."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ksem: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ksem {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["matrix", "--frobnicate"], ["run", "--modules"],
                                       ["run", "--boot-deadline", "soon"]])
def test_arguments_that_are_none_end_with_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: ksem" in capsys.readouterr().err


@pytest.mark.parametrize("command", commands.names())
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: ksem {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["kernels"], ["cases"], ["run", "local"], ["matrix"]])
def test_outside_of_a_project_the_mend_is_named(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert "cases/" in fails(capsys, *command)


def test_columns_are_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernels"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["COLUMN", "BACKEND", "RELEASE", "STATE"]
    assert [(line[0], line[1]) for line in lines[1:]] == [("local", "local"), ("debian-6.12", "qemu")]
    assert "not fetched yet" in " ".join(lines[2])


def test_columns_are_listed_as_json_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "vms" / "catalog.toml").write_text(CATALOG + "default = false\n")
    assert main(["kernels", "--json"]) == 0
    local, debian = json.loads(capsys.readouterr().out)
    assert debian == {"column": "debian-6.12", "backend": "qemu", "release": None, "state": "not fetched yet", "default": False}
    assert (local["column"], local["backend"], local["state"], local["default"]) == ("local", "local", "at hand", True)
    assert local["release"][:1].isdecimal()


def test_an_image_that_is_not_there_is_not_told_to_be_fetched(root: Path, monkeypatch: pytest.MonkeyPatch,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    (root / "vms" / "catalog.toml").write_text('[mine]\nbackend = "qemu"\nkernel = "image:built/bzImage"\n')
    monkeypatch.chdir(root / "cases")
    assert main(["kernels"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split(None, 3) == [
        "mine", "qemu", "-", f"{root}/built/bzImage: No such file or directory: name a readable bzImage"]


def test_cases_are_listed_from_anywhere_in_the_project(root: Path, monkeypatch: pytest.MonkeyPatch,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(root / "cases" / "area")
    assert main(["cases"]) == 0
    assert capsys.readouterr().out.splitlines() == ["CASE        SETS  CLAIM", "area.thing  2     A file is a file."]


@pytest.mark.parametrize("command", [["cases"], ["matrix"], ["run", "local"]])
def test_a_case_file_with_a_mistake_is_named(root: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (root / "cases/area/thing.py").write_text("CASE = 1\n")
    assert "cases/area/thing.py" in fails(capsys, *command)


@pytest.mark.parametrize("command", [["kernels"], ["run", "local"]])
def test_a_catalogue_with_a_mistake_is_named(root: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (root / "vms/catalog.toml").write_text("[[[")
    assert "vms/catalog.toml" in fails(capsys, *command)


@pytest.mark.parametrize(("name", "suggestion"), [("debain-6.12", "debian-6.12"), ("locl", "local")])
def test_an_unknown_column_comes_with_the_nearest_one(root: Path, name: str, suggestion: str,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    assert f"did you mean {suggestion}?" in fails(capsys, "run", name)


@pytest.mark.parametrize("columns", [["local"], ["local", "debian-6.12"], []])
def test_modules_for_no_image_are_refused(root: Path, columns: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "--modules is for the kernel of an image:PATH column" in fails(capsys, "run", *columns, "--modules", "/nosuch")


def test_without_any_column_one_is_asked_for(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "vms/catalog.toml").unlink()
    assert "ksem run local" in fails(capsys, "run")


def test_an_unknown_format_comes_with_those_that_there_are(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fails(capsys, "matrix", "--format", "pdf")
    assert all(name in message for name in ["'pdf'", *renderers.names()])


def test_evidence_that_is_not_there_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "elsewhere" in fails(capsys, "matrix", "--results", "elsewhere")
    assert "no column matches nothing-*" in fails(capsys, "matrix", "--column", "nothing-*")


def test_evidence_that_cannot_be_read_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "results/local.json").write_text('{"schema": 99}')
    assert "results/local.json" in fails(capsys, "matrix")


@pytest.mark.parametrize("form", renderers.names())
def test_evidence_is_rendered_in_every_format(root: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--format", form, "--column", "*"]) == 0
    printed = capsys.readouterr()
    assert printed.out
    assert printed.err == ""


def test_columns_are_chosen_by_a_pattern(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--format", "json", "--column", "debian-*"]) == 0
    assert {one["column"] for one in json.loads(capsys.readouterr().out)} == {"debian-6.12"}


def test_evidence_may_be_a_single_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--format", "json", "--results", "results/local.json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["column"], one["verdict"]) for one in found] == [("local", "conforms"), ("local", "unknown")]


def test_output_is_written_as_a_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--format", "json", "--column", "*", "--output", "matrix.json"]) == 0
    assert capsys.readouterr().out == ""
    assert len(json.loads((root / "matrix.json").read_text())) == 4
    assert "nowhere/matrix.json" in fails(capsys, "matrix", "--column", "*", "--output", "nowhere/matrix.json")


INTERRUPTED_AS_IT_IMPORTS = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "ksem.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
import ksem.__main__
"""


def test_ctrl_c_in_the_first_moment_is_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_AS_IT_IMPORTS], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize(("closed", "status"), [("<&-", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0),
                                               ("2>&- --frobnicate", 2)])
def test_a_stream_that_is_closed_is_one_that_goes_nowhere(closed: str, status: int) -> None:
    done = subprocess.run(["sh", "-c", f"exec {sys.executable} -m ksem cases {closed}"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (status, b"")


def test_what_is_registered_for_the_end_is_done_and_the_status_is_kept() -> None:
    program = "import atexit, ksem.__main__ as it; atexit.register(print, 'done'); it.main()"
    done = subprocess.run([sys.executable, "-c", program, "cite", "no.such"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "done\n")


def test_help_lists_all_commands_whatever_follows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["-h", "cases"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in commands.names())


@pytest.mark.parametrize("options", [(), ("--project", "fetch"), ("--proj", "fetch"), ("--project=fetch",)])
def test_no_command_is_imported_but_the_one_that_is_asked_for(options: tuple[str, ...]) -> None:
    told = "import atexit, sys, ksem.cli; atexit.register(lambda: print(*sys.modules)); ksem.cli.main(sys.argv[1:])"
    ended = subprocess.run([sys.executable, "-c", told, *options, "cases", "-h"], capture_output=True, text=True,
                           check=True)
    imported = {f"ksem.commands.{name}" for name in commands.names()} & set(ended.stdout.split())
    assert imported == {"ksem.commands.cases"}
