"""Evidence of several places as one: the bytes of a single run, or one line and nothing written.

Guards: of a matrix that was run in shares nobody must be able to tell, and where two shares do not agree none is preferred.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import project
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import cell, evidence
from test_store import CASE, OTHER_TRACE, TRACE, UNREADABLE, UNREADABLE_TRACES, files, full_disk, put

from ksem import store
from ksem.cli import main
from ksem.merging import merged
from ksem.model import Cell, Evidence, KsemError

CASES = [CASE, "area.other"]
CELLS = [cell({"is": number}, {"n": number}, name=name, trace=trace)
         for name in CASES for number, trace in ((1, TRACE), (2, OTHER_TRACE), (3, ()))]
COLUMNS = [evidence("local", "6.18", *CELLS), evidence("one", "6.12", *CELLS), evidence("two", "6.1", *CELLS)]


def merge(results: Path, *shards: Path) -> int:
    return main(["merge", *map(str, shards), "--results", str(results)])


def shard(path: Path, *columns: Evidence) -> Path:
    """A results directory of these columns."""
    assert store.write(path, columns, CASES) == []
    return path


def refused(capsys: pytest.CaptureFixture[str], results: Path, *shards: Path) -> str:
    """The one line with which they are not merged; what was there is as it was."""
    before = files(results)
    assert merge(results, *shards) == 2
    assert files(results) == before
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n"), told.err[:6]) == ("", 1, "ksem: ")
    return told.err


@given(st.data())
def test_shares_of_any_shape_give_the_bytes_of_one_run(data: st.DataObject) -> None:
    """Also where shares have the same cells, and in whatever order they are named."""
    with TemporaryDirectory() as text:
        root = Path(text)
        whole = shard(root / "whole", *COLUMNS)
        every = [(column.column, one) for column in COLUMNS for one in column.cells]
        owners = [data.draw(st.sets(st.sampled_from([0, 1, 2]), min_size=1)) for _ in every]

        def share(number: int) -> Iterable[Evidence]:
            for column in COLUMNS:
                cells = [one for (name, one), owner in zip(every, owners, strict=True)
                         if name == column.column and number in owner]
                if cells:
                    yield evidence(column.column, column.release, *cells)

        shards = [shard(root / str(number), *found) for number in range(3) if (found := list(share(number)))]
        shards = data.draw(st.permutations(shards))
        first = data.draw(st.integers(0, len(shards)))
        for group in (shards[:first], shards[first:]):
            assert not group or merge(root / "merged", *group) == 0
        assert files(root / "merged") == files(whole)


def test_a_file_of_one_column_is_merged_with_its_traces(tmp_path: Path) -> None:
    whole = shard(tmp_path / "whole", *COLUMNS)
    assert merge(tmp_path / "merged", *(whole / f"{one.column}.json" for one in COLUMNS)) == 0
    assert files(tmp_path / "merged") == files(whole)


def test_it_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nothing").mkdir()
    assert merge(tmp_path / "merged", shard(tmp_path / "a", COLUMNS[1]), tmp_path / "nothing") == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'merged'}: 1 columns, 6 cells\n"
    assert told.err == f"ksem: no evidence in {tmp_path / 'nothing'}\n"


OTHERS = {
    "release": (evidence("one", "6.12.1", *CELLS[:1]), "one has two releases, 6.12 and 6.12.1,"),
    "environment": (evidence("one", "6.12", *CELLS[:1], environment={"backend": "qemu", "lsm": "apparmor"}),
                    "one has another environment (lsm)"),
    "remark": (evidence("one", "6.12", *CELLS[:1], remark="no modules"), "one has another remark (none; no modules)"),
    "observation": (evidence("one", "6.12", cell({"is": 7}, {"n": 1}, trace=TRACE)), f"{CASE} on one, n=1 is not the same"),
    "status": (evidence("one", "6.12", cell(None, {"n": 1}, status="lost")), f"{CASE} on one, n=1 is not the same"),
    "trace": (evidence("one", "6.12", cell({"is": 1}, {"n": 1}, trace=OTHER_TRACE)), f"{CASE} on one, n=1 is not the same"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_shares_that_do_not_agree_are_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    other, told = OTHERS[name]
    one, two = shard(tmp_path / "a", COLUMNS[1]), shard(tmp_path / "b", other, COLUMNS[2])
    line = refused(capsys, tmp_path / "merged", one, two)
    assert told in line
    assert f"in {one} and in {two}: " in line
    # Nor is what is there already replaced.
    assert f"in {two} and in {one}: " in refused(capsys, one, two)


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    one, two = shard(tmp_path / "a", COLUMNS[1]), tmp_path / "b"
    put(two / "two.json", text)
    assert str(two / "two.json") in refused(capsys, tmp_path / "merged", one, two)
    assert str(two / "two.json") in refused(capsys, two, one)


@pytest.mark.parametrize("text", UNREADABLE_TRACES.values(), ids=UNREADABLE_TRACES.keys())
def test_traces_that_cannot_be_read_are_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                          text: str) -> None:
    one, two = shard(tmp_path / "a", COLUMNS[1]), shard(tmp_path / "b", COLUMNS[2])
    put(two / "traces" / f"{CASE}.json", text)
    assert f"{CASE}.json" in refused(capsys, tmp_path / "merged", one, two)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_trace_that_was_left_behind_is_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                               is_there: bool) -> None:
    one, two = shard(tmp_path / "a", COLUMNS[1]), shard(tmp_path / "b", COLUMNS[2])
    traces = two / "traces" / f"{CASE}.json"
    traces.unlink()
    if is_there:
        traces.write_text('{"schema": 1, "traces": {}}')
    what = "lacks a trace that" if is_there else "is missing, which"
    assert refused(capsys, tmp_path / "merged", one, two) == (
        f"ksem: {traces} {what} {two / 'two.json'} refers to: copy it from where that was made, or move two.json away and run"
        " its column again\n")


def test_a_full_disk_leaves_all_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second column has no room: the first, which has, is not written either."""
    there = shard(tmp_path / "there", evidence("one", "6.12", *CELLS[:1]))
    large = evidence("two", "6.1", cell({"is": "x" * 5000}, {"n": 1}, trace=OTHER_TRACE))
    share = shard(tmp_path / "share", evidence("one", "6.12", *CELLS), large)
    with full_disk(2500):
        assert "two.json cannot be written" in refused(capsys, there, share)


@pytest.mark.parametrize(("arguments", "told"), [
    (["nowhere"], "nowhere does not exist"), (["empty"], "there is nothing to merge"),
    (["a", "--results", "a/one.json"], "cannot be written to"),
])
def test_a_wrong_argument_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                                    arguments: list[str], told: str) -> None:
    shard(tmp_path / "a", COLUMNS[1])
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    assert main(["merge", "--results", "merged", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert files(tmp_path) == before


def test_equal_parameters_in_another_order_are_one_cell() -> None:
    cells = [Cell(CASE, params, "observed", {"is": 1}) for params in ({"a": 1, "b": 2}, {"b": 2, "a": 1})]
    [one] = merged([(Path(str(number)), evidence("one", "6.12", each)) for number, each in enumerate(cells)])
    assert len(one.cells) == 1
    with pytest.raises(KsemError):
        merged([(Path("a"), evidence("one", "6.12", cells[0])), (Path("b"), evidence("one", "6.13", cells[0]))])


def test_stored_evidence_of_this_project_in_shares_is_the_same_bytes(tmp_path: Path) -> None:
    """Every column by itself, as a job matrix has them, and one of them by cases."""
    results = Path(__file__).parents[1] / "results"
    columns = store.read(results)[:4]
    assert len(columns) == 4
    cases = {one.case for column in columns for one in column.cells}
    names = sorted(cases)
    store.write(tmp_path / "whole", columns, cases)
    store.write(tmp_path / "odd", columns[:1], names[::2])
    store.write(tmp_path / "even", columns[:1], names[1::2])
    for column in columns[1:]:
        store.write(tmp_path / column.column, [column], cases)
    shards = [tmp_path / "odd", tmp_path / "even", *(tmp_path / column.column for column in columns[1:])]
    assert merge(tmp_path / "merged", *shards) == 0
    assert files(tmp_path / "merged") == files(tmp_path / "whole")
    for column in columns:
        name = f"{store.file_name(column.column)}.json"
        assert json.loads((tmp_path / "merged" / name).read_text()) == json.loads((results / name).read_text())


def test_one_kernel_whose_cases_were_shared_out_is_as_of_one_run(tmp_path: Path) -> None:
    made = project.make(tmp_path / "project", fine=project.FINE, other=project.FINE.replace("getuid", "geteuid"))
    for name, chosen in (("whole", ()), ("a", ("-k", "made.fine")), ("b", ("-k", "made.other"))):
        done = project.ksem(made, "run", "debian-5.10", "-q", "--results", str(tmp_path / name), *chosen)
        assert done.returncode == 0, done.stdout + done.stderr
    done = project.ksem(made, "merge", str(tmp_path / "a"), str(tmp_path / "b"), "--results", str(tmp_path / "merged"))
    assert (done.returncode, done.stderr) == (0, "")
    whole = {name: data for name, data in files(tmp_path / "whole").items() if not name.startswith("logs/")}
    assert files(tmp_path / "merged") == whole
    assert len(store.read(tmp_path / "merged")[0].cells) == 2
