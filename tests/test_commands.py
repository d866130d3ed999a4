"""Decisions, differences, histories, mails and drift as their user meets them: on stored evidence, wrong arguments and all.

Guards: scripts rely on the exit status, and a mistake is one line that names the mend; no command here runs a kernel.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import project
import pytest
from made import cell, evidence
from made import project as make_project
from test_cli import fails

from ksem import store
from ksem.cli import main

CASE = '''"""What it is."""
from ksem.guest.case import Case, Rule

CASE = Case(claim="It is so.", cites=("chown(2)",), params={"flag": ("ro", "nosuid")}, documented="chown(2) says nothing.",
            expect=(Rule({"is": "new"}, since="6.6", cites="abc"), Rule({"is": "old"})))


def observe(lab, flag):
    return {}
'''
DESIGN = '''title = "A design"
about = "It needs the new."
[[claim]]
case = "area.thing"
observation = {is = "new"}
reason = "It is better."
'''


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one case and one design, with evidence of two columns; the current directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "project").mkdir()
    made = make_project(tmp_path / "project", {"area/thing": CASE})
    (made / "designs").mkdir()
    (made / "designs" / "made.toml").write_text(DESIGN)
    trace = (["main", "mnt:1 user:0", "chown", ['"x"', "0", "0"], "0"],)
    columns = [evidence(f"debian-{series}", release, *(cell({"is": seen}, {"flag": flag}, trace=trace)
                                                       for flag in ("ro", "nosuid")))
               for series, release, seen in (("6.1", "6.1.9", "old"), ("6.12", "6.12.3", "new"))]
    store.write(made / "results", columns, ["area.thing"])
    monkeypatch.chdir(made)
    return made


LISTED = '["debian-6.1"]\nbackend = "qemu"\nkernel = "debian:6.1"\n'
LISTED += LISTED.replace("6.1", "6.12") + '[local]\nbackend = "local"\nkernel = "host"\n'


@pytest.fixture
def tried(root: Path) -> Path:
    """The project with a catalogue of its two columns, after somebody has tried a case on other kernels too."""
    (root / "vms").mkdir()
    (root / "vms/catalog.toml").write_text(LISTED)
    odd = cell({"is": "odd"}, {"flag": "ro"}, trace=(["main", "mnt:1 user:0", "chown", ['"y"', "0", "0"], "0"],))
    store.write(root / "results", [evidence(name, "6.9.1", odd) for name in ("local", "debian-6.9.1")], ["area.thing"])
    return root


def prints(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """What the command prints, with nothing on stderr."""
    assert main(arguments) == status
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def test_a_design_is_decided(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = prints(capsys, "decide", "made", status=1)
    assert "debian-6.1   6.1.9    unsupported  0 of 1" in told
    assert " ".join(told.split()).endswith("Good from 6.12.3 on (debian-6.12): that release and all later ones are."
                                           " 6.1.9 is bad: the change lies between 6.1.9 and 6.12.3.")
    assert "unsupported" not in prints(capsys, "decide", "designs/made.toml", "--column", "debian-6.12")


@pytest.mark.parametrize("chosen", [["--column", "debian-6.1"], ["--results", "results/debian-6.1.json"]])
def test_a_design_is_decided_for_the_chosen_columns_alone(root: Path, chosen: list[str],
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    """The other column is bad, and higher."""
    (root / "designs/made.toml").write_text(DESIGN.replace('"new"', '"old"'))
    assert "There is no release from which all later ones are good" in prints(capsys, "decide", "made", status=1)
    told = prints(capsys, "decide", "made", *chosen)
    assert told.endswith("\n\nOf the columns asked for, good on 6.1.9 (debian-6.1): other releases may be bad.\n")


def test_designs_are_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prints(capsys, "decide").splitlines() == ["DESIGN  CLAIMS  TITLE", "made    1       A design"]


@pytest.mark.parametrize("form", ["terminal", "html", "json"])
def test_a_design_that_is_wrong_keeps_nothing_else_from_being_shown(root: Path, form: str,
                                                                   capsys: pytest.CaptureFixture[str]) -> None:
    (root / "designs/bad.toml").write_text(DESIGN.replace("area.thing", "area.thnig"))
    assert main(["matrix", "--format", form]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("ksem: left out: ")
    assert "designs/bad.toml: claim 1 (area.thnig)" in printed.err
    assert printed.err.count("\n") == 1
    (root / "designs/bad.toml").unlink()
    assert prints(capsys, "matrix", "--format", form) == printed.out


def test_a_design_that_is_wrong_is_left_out_of_the_list(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "designs/bad.toml").write_text(DESIGN.replace("area.thing", "area.thnig"))
    assert main(["decide"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["DESIGN  CLAIMS  TITLE", "made    1       A design"]
    assert printed.err.startswith("ksem: left out: ")
    assert "designs/bad.toml: claim 1 (area.thnig)" in printed.err
    assert printed.err.count("\n") == 1
    (root / "designs/made.toml").unlink()
    assert "designs/bad.toml: claim 1 (area.thnig)" in fails(capsys, "decide")


@pytest.mark.parametrize(("command", "status"), [
    (["decide"], 0), (["decide", "made"], 1), (["cite", "area.thing"], 0), (["repro", "area.thing"], 0),
    (["history", "area.t*"], 0)])
def test_a_case_that_is_wrong_stops_only_what_is_about_it(root: Path, command: list[str], status: int,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == status
    before = capsys.readouterr()
    (root / "cases/area/broken.py").write_text("import nothing_of_that_name\n")
    assert main(command) == status
    printed = capsys.readouterr()
    assert printed.out == before.out
    line = printed.err.splitlines(keepends=True)[0]
    assert line.startswith("ksem: left out: ")
    assert "cases/area/broken.py: cannot be imported" in line
    assert printed.err == line + before.err


@pytest.mark.parametrize("command", [["decide", "made"], ["cite", "area.thing"], ["repro", "area.thing"],
                                     ["bisect", "area.thing"], ["matrix"], ["drift"], ["history"], ["history", "area.t*"]])
def test_a_case_that_is_wrong_is_named_where_it_is_needed(root: Path, command: list[str],
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    (root / "cases/area/thing.py").write_text("import nothing_of_that_name\n")
    assert "cases/area/thing.py: cannot be imported" in fails(capsys, *command)


def test_of_an_area_the_cases_are_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'area' is an area, not a case: it has area.thing" in fails(capsys, "cite", "area")
    assert "'area' is an area, not a case: it has area.thing" in fails(capsys, "history", "area")


def test_without_a_design_there_is_nothing_to_decide_on_evidence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--results", "--column"):
        assert "name the design that is to be decided on this evidence: made" in fails(capsys, "decide", option, "nowhere")


def test_a_column_of_no_plain_run_counts_when_all_is_known_or_it_is_named(tried: Path,
                                                                          capsys: pytest.CaptureFixture[str]) -> None:
    (tried / "vms/catalog.toml").write_text(LISTED.replace('"debian:6.1"', '"debian:6.1"\ndefault = false'))
    for name in ("debian-6.1", "debian-6.9.1", "local"):
        (tried / "results" / f"{name}.json").unlink()
    part = evidence("debian-6.1", "6.1.9", cell({"is": "new"}, {"flag": "ro"}))
    store.write(tried / "results", [part], ["area.thing"])
    assert "was run on debian-6.1: not counted" in prints(capsys, "decide", "made")
    assert "not counted" not in prints(capsys, "decide", "made", "--column", "*", status=1)
    store.write(tried / "results", [evidence("debian-6.1", "6.1.9", cell({"is": "old"}, {"flag": "nosuid"}))], ["area.thing"])
    assert "debian-6.1   6.1.9    unsupported" in prints(capsys, "decide", "made", status=1)
    (tried / "results/debian-6.12.json").unlink()
    (tried / "results/debian-6.1.json").unlink()
    store.write(tried / "results", [part], ["area.thing"])
    assert "There is no release" in prints(capsys, "decide", "made", status=1)


def test_a_design_that_is_not_there_or_wrong_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean made?" in fails(capsys, "decide", "maed")
    assert "designs/gone.toml: No such file" in fails(capsys, "decide", "designs/gone.toml")
    (root / "designs/made.toml").write_text(DESIGN.replace("area.thing", "area.thnig"))
    assert "did you mean area.thing?" in fails(capsys, "decide", "made")


def test_columns_and_directories_are_compared(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = prints(capsys, "diff", "debian-6.1", "debian-6.12", status=1)
    assert "  changed: area.thing [all 2]\n    is: old -> new\n" in told
    assert prints(capsys, "diff", "debian-6.1", "debian-6.1").endswith("  2 the same\n")
    assert prints(capsys, "diff", "results", "results").count("2 the same") == 2
    store.write(root / "other", [evidence("debian-6.1", "6.1.9", cell({"is": "old"}, {"flag": "ro"}))], ["area.thing"])
    told = prints(capsys, "diff", "results", "other", status=1)
    assert "  became unknown: area.thing [flag=nosuid]\n    not run\n" in told
    assert "only in A, became unknown: debian-6.12" in told
    # What only the newer evidence has takes nothing away.
    assert "only in B, appeared: debian-6.12" in prints(capsys, "diff", "other", "results")
    assert "1 the same, 1 appeared" in prints(capsys, "diff", "other/debian-6.1.json", "results")


def test_a_column_that_no_plain_run_has_need_not_be_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "vms").mkdir(exist_ok=True)
    (root / "vms/catalog.toml").write_text('["debian-6.1"]\nbackend = "qemu"\nkernel = "debian:6.1"\n'
                                           '["debian-6.12"]\nbackend = "qemu"\nkernel = "debian:6.12"\ndefault = false\n')
    (root / "other").mkdir()
    shutil.copy(root / "results/debian-6.1.json", root / "other")
    shutil.copytree(root / "results/traces", root / "other/traces")
    assert "only in A, and not run unless named: debian-6.12" in prints(capsys, "diff", "results", "other")
    (root / "vms/catalog.toml").write_text((root / "vms/catalog.toml").read_text().replace("default = false\n", ""))
    assert "only in A, became unknown: debian-6.12" in prints(capsys, "diff", "results", "other", status=1)


def test_what_a_kernel_can_more_is_no_regression_and_what_it_cannot_is(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lacks = (cell(None, {"flag": flag}, status="unsupported", reason="no system call new") for flag in ("ro", "nosuid"))
    store.write(root / "results", [evidence("debian-5.10", "5.10.7", *lacks)], ["area.thing"])
    told = prints(capsys, "diff", "debian-5.10", "debian-6.1")
    assert "  now supported: area.thing [all 2]\n    before: no system call new\n" in told
    assert told.endswith("  0 the same, 2 now supported\n")
    told = prints(capsys, "diff", "debian-6.1", "debian-5.10", status=1)
    assert "  no longer supported: area.thing [all 2]\n    now: no system call new\n" in told


def test_evidence_that_cannot_be_compared_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean debian-6.12?" in fails(capsys, "diff", "debian-6.1", "debain-6.12")
    (root / "empty").mkdir()
    assert "no evidence in empty" in fails(capsys, "diff", "empty", "results")
    assert "nowhere does not exist" in fails(capsys, "diff", "debian-6.1", "debian-6.12", "--results", "nowhere")
    (root / "results/debian-6.12.json").write_text('{"schema": 99}')
    assert "schema 99" in fails(capsys, "diff", "debian-6.1", "debian-6.12")
    (root / "results/debian-6.12.json").unlink()
    store.write(root / "other", [evidence("local", "6.2")], [])
    assert "A has debian-6.1, and B local: there is no column to compare" in fails(capsys, "diff", "results", "other")


def test_histories_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = prints(capsys, "history")
    assert "  since 6.6 (abc), seen between 6.1.9 and 6.12.3\n    is: old -> new\n" in told
    assert prints(capsys, "history", "area.*") == told
    spans = json.loads(prints(capsys, "history", "--format", "json"))[0]["spans"]
    assert [(span["value"], span["since"] and span["since"]["release"], span["columns"]) for span in spans] == [
        ("old", None, ["debian-6.1"]), ("new", "6.6", ["debian-6.12"])]
    assert "did you mean area.thing?" in fails(capsys, "history", "area.thnig")


@pytest.mark.parametrize("command", [["cite"], ["history"], ["history", "--format", "json"]])
def test_of_a_case_that_was_never_run_nothing_is_known(root: Path, command: list[str],
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    (root / "cases/area/new.py").write_text((root / "cases/area/thing.py").read_text())
    assert "nothing is known of area.new on any column: `ksem run` makes evidence" in fails(capsys, *command, "area.new")
    assert "area.thing" in prints(capsys, "history", "area.*")


def test_cases_that_never_changed_are_counted_unless_asked_for(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = prints(capsys, "history", "--column", "debian-6.12")
    assert told == "1 case is the same on every column: --all shows it\n"
    assert "    is: new" in prints(capsys, "history", "--all", "--column", "debian-6.12")


def test_a_claim_is_cited(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = prints(capsys, "cite", "area.thing", "--params", "flag=ro", "--on", "debian-6.1")
    assert "Seen on Linux with flag=ro, as expected on 2 of 2 releases; where they\n  differ:\n" in told
    assert '    chown("x", 0, 0) = 0\n' in told
    assert "  ksem run debian-6.1.9 -k area.thing --params flag=ro\n" in told
    assert "did you mean area.thing?" in fails(capsys, "cite", "area.thnig")
    assert "did you mean debian-6.12?" in fails(capsys, "cite", "area.thing", "--on", "debain-6.12")
    assert "no flag=r " in fails(capsys, "cite", "area.thing", "--params", "flag=r")


def test_drift_is_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = prints(capsys, "drift")
    assert told.startswith("1 claim about 1 page where documentation says something else")
    assert told == prints(capsys, "drift", "chown")
    assert "did you mean chown(2)?" in fails(capsys, "drift", "chwn(2)")


EVIDENCE = [["decide", "made"], ["history"], ["cite", "area.thing"], ["drift"]]
READING = [*EVIDENCE, ["matrix"], ["matrix", "--format", "json"], ["repro", "area.thing"]]
@pytest.mark.parametrize("command", READING)
def test_a_kernel_that_was_merely_tried_changes_no_answer(tried: Path, command: list[str],
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    status = main(command)
    told = capsys.readouterr()
    assert told.err.splitlines(keepends=True)[0] == (
        "ksem: left out: debian-6.9.1, local (this machine's own evidence or what vms/catalog.toml does not list counts only"
        " when named: --column NAME)\n")
    assert main([*command, *(["--column", "*"] if command[0] != "repro" else ["--column", "local"])]) in (0, 1)
    everything = capsys.readouterr()
    assert everything.out != told.out
    assert "local" not in everything.err.partition("\n")[0]
    for name in ("local", "debian-6.9.1"):
        (tried / "results" / f"{name}.json").unlink()
    assert main(command) == status
    assert capsys.readouterr().out == told.out


def test_what_a_run_on_this_machine_is_to_the_others_is_said_in_a_line(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tried / "results/debian-6.9.1.json").unlink()
    assert main(["history"]) == 0
    assert capsys.readouterr().err == (
        "ksem: left out: local (this machine's own evidence counts only when named: --column local)\n")
    assert main(["diff", "results", "results"]) == 0
    assert capsys.readouterr().err == 2 * (
        "ksem: left out: local (this machine's own evidence counts only when named: its file)\n")


def test_what_is_named_is_not_left_out(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is named, as a pattern is; and where nothing is listed, all is meant."""
    assert "local" in prints(capsys, "matrix", "--format", "json", "--results", "results/local.json")
    assert main(["matrix", "--format", "json", "--results", "results/debian-6.1.json", "--results", "results/local.json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert {one["column"] for one in json.loads(printed.out)} == {"debian-6.1", "local"}
    (tried / "vms/catalog.toml").unlink()
    assert "local" in prints(capsys, "matrix", "--format", "json")


def test_a_kernel_that_was_tried_can_be_cited_by_its_name(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cite", "area.thing", "--on", "local", "--with-reproducer"]) == 0
    told = capsys.readouterr().out
    assert "\n  ksem run local -k area.thing --params flag=ro\n" in told
    assert main(["repro", "area.thing", "--column", "local"]) == 0
    assert told.endswith(capsys.readouterr().out)


def test_directories_are_compared_without_what_was_merely_tried(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = [evidence("debian-6.1", "6.1.9", *(cell({"is": "old"}, {"flag": flag}) for flag in ("ro", "nosuid")))]
    store.write(tried / "before", before, ["area.thing"])
    store.write(tried / "before", [evidence("local", "6.2", cell({"is": "odd"}, {"flag": "ro"}))], ["area.thing"])
    (tried / "results/local.json").unlink()
    assert main(["diff", "before", "results"]) == 0
    printed = capsys.readouterr()
    assert "local" not in printed.out
    assert printed.err.count("left out") == 2


def test_one_column_is_not_taken_twice(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in READING:
        message = fails(capsys, *command, "--results", "results", "--results", "results/debian-6.1.json")
        assert "debian-6.1 is in results and once more in results/debian-6.1.json" in message


@pytest.mark.parametrize("command", EVIDENCE)
def test_without_any_evidence_the_mend_is_named(root: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (root / "empty").mkdir()
    assert "no evidence in empty: `ksem run` makes some" in fails(capsys, *command, "--results", "empty")
    assert "nowhere does not exist" in fails(capsys, *command, "--results", "nowhere")
    assert "no column matches x*" in fails(capsys, *command, "--column", "x*")


@pytest.mark.parametrize("command", [["decide", "made"], ["history"], ["drift"]])
def test_a_column_without_the_case_is_unknown(root: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    store.write(root / "other", [evidence("debian-6.9", "6.9.1")], [])
    assert main([*command, "--results", "other"]) == (1 if command[0] == "decide" else 0)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "supported" not in printed.out.replace("unsupported", "")
    assert "onfirmed" not in printed.out or "0 of them confirmed" in printed.out


@pytest.mark.parametrize("command", [*EVIDENCE, ["diff", "results", "results"]])
@pytest.mark.parametrize("columns", ["10", "40"])
def test_a_narrow_terminal_and_a_locale_of_another_kind_will_do(root: Path, command: list[str], columns: str) -> None:
    environment = {**project.environment(), "PYTHONPATH": str(project.ROOT), "COLUMNS": columns, "LC_ALL": "C",
                   "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = subprocess.run([sys.executable, "-m", "ksem", *command], cwd=root, env=environment, capture_output=True,
                           check=False)
    assert (ended.returncode, ended.stderr) == (1 if command[0] == "decide" else 0, b"")
    assert ended.stdout.isascii()


@pytest.mark.parametrize("command", EVIDENCE)
def test_a_pipe_that_nobody_reads_is_no_traceback(root: Path, command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        ended = subprocess.run([sys.executable, "-m", "ksem", *command], cwd=root, check=False, stdout=pipe,
                               stderr=subprocess.PIPE, env={**project.environment(), "PYTHONPATH": str(project.ROOT)})
    assert (ended.returncode, ended.stderr) == (2, b"")


def test_what_a_search_cannot_be_about_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean area.thing?" in fails(capsys, "bisect", "area.thnig")
    assert "did you mean is?" in fails(capsys, "bisect", "area.thing", "--leaf", "iss")
    assert "no parameter 'flga'" in fails(capsys, "bisect", "area.thing", "--params", "flga=ro")


def test_a_run_that_cannot_be_compared_is_no_kernel_that_differs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """git bisect takes 2 for a kernel that behaves otherwise."""
    for arguments in (["run", "image:gone", "--against", "results/debian-6.1.json"], ["run", "local", "--against", "results"],
                      ["run", "local", "--against", "nowhere"], ["run", "lcoal", "--against", "results"],
                      ["run", "local", "-k", "area.thing", "--params", "flag=r", "--against", "results/debian-6.1.json"],
                      ["run", "local", "-k", "area.thing", "--leaf", "iss", "--against", "results/debian-6.1.json"]):
        assert main(arguments) == 125
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("ksem: ")
        assert printed.err.count("\n") == 1
    assert "name the evidence too" in fails(capsys, "run", "local", "--leaf", "is")


REPRO = ["repro", "area.thing", "--column", "debian-6.12"]


def test_a_cell_becomes_a_program(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = prints(capsys, *REPRO, "--params", "flag=nosuid")
    assert told.startswith("/*\n * area.thing: It is so.\n *\n * With flag = nosuid.\n")
    assert 'CALL(main, chown("x", 0, 0), 0);' in told
    assert prints(capsys, *REPRO, "--params", "flag=nosuid", "--output", "nosuid.c") == ""
    assert (root / "nosuid.c").read_text() == told


def test_which_parameter_set_was_taken_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(REPRO) == 0
    printed = capsys.readouterr()
    assert "With flag = ro." in printed.out
    assert printed.err == "ksem: the program is for debian-6.12 with flag=ro: --column and --params choose another\n"


def test_a_program_of_what_is_not_there_is_none(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean area.thing?" in fails(capsys, "repro", "area.thnig", "--column", "debian-6.12")
    assert "did you mean debian-6.12?" in fails(capsys, "repro", "area.thing", "--column", "debain-6.12")
    assert "did you mean nosuid?" in fails(capsys, *REPRO, "--params", "flag=nosiud")
    assert "nowhere does not exist" in fails(capsys, *REPRO, "--results", "nowhere")
    store.write(root / "other", [evidence("debian-6.12", "6.12.3")], [])
    assert "`ksem run debian-6.12 -k area.thing` makes some" in fails(capsys, *REPRO, "--results", "other")
    lost = cell(None, {"flag": "ro"}, status="lost", reason="a panic\nthe console")
    store.write(root / "other", [evidence("debian-6.12", "6.12.3", lost)], ["area.thing"])
    assert "area.thing is lost on debian-6.12: a panic: there is" in fails(capsys, *REPRO, "--results", "other")


def test_a_mail_may_have_the_program_of_what_it_shows(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything = prints(capsys, "cite", "area.thing", "--with-reproducer")
    assert main(["repro", "area.thing"]) == 0
    assert everything.endswith(capsys.readouterr().out)
    told = prints(capsys, "cite", "area.thing", "--params", "flag=ro", "--with-reproducer")
    program = prints(capsys, *REPRO, "--params", "flag=ro")
    assert told.endswith("A program that shows it:\n\n" + program)
    assert max(map(len, told.splitlines())) <= 72
