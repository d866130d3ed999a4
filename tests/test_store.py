"""Evidence on disk: what is written is what is read, the same evidence is the same bytes, and nothing is ever lost.

Guards: results/ is committed and reviewed as a diff. A second run that saw the same must not change a byte; cells that were
not run again must stay while they speak of the same kernel, and go when they do not; a file that cannot be read (of a newer
ksem, cut short, somebody else's) is set aside and never overwritten; a full disk leaves what was there.
"""

from __future__ import annotations

import contextlib
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import cell, evidence, noted

from ksem import store, traces
from ksem.model import Cell, Evidence, KsemError
from ksem.stored import Unreadable

CASE = "area.thing"
TRACE = (["main", "mnt:0", "mkdir", ['"a"', "0755"], "0"], ["main", "mnt:0", "rmdir", ['"a"'], "EPERM"])
OTHER_TRACE = (["main", "mnt:0", "mkdir", ['"a"', "0755"], "EROFS"],)
UNREADABLE = {
    "future schema": '{"schema": 99, "column": "one"}',
    "cut short": '{"schema": 1, "column": "one", "rel',
    "empty": "",
    "another kind": '{"answer": 42}',
    "no object": "[1, 2]",
    "no cells": '{"schema": 1}',
    "cells of another shape": '{"schema": 1, "column": "one", "release": "6.12", "environment": {}, "cells": [3]}',
    "no such status": '{"schema": 1, "column": "one", "release": "6.12", "environment": {}, '
                      '"cells": {"area.thing": [{"params": {}, "status": "fine"}]}}',
    "a trace that is not there": '{"schema": 1, "column": "one", "release": "6.12", "environment": {}, '
                                 '"cells": {"area.thing": [{"params": {}, "status": "observed", "trace": "abc"}]}}',
    "no name of a trace": '{"schema": 1, "column": "one", "release": "6.12", "environment": {}, '
                          '"cells": {"area.thing": [{"params": {}, "status": "observed", "trace": ["abc"]}]}}',
    "no text at all": "\udcff\udcfe",
    "nested too deep": "[" * 100_000,
}
OF_COLUMNS = ("cells", "no such", "no name", "a trace")
UNREADABLE_TRACES = {name: text for name, text in UNREADABLE.items() if not name.startswith(OF_COLUMNS)}
UNREADABLE_TRACES["traces of another shape"] = '{"schema": 1, "traces": [1]}'

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=6)
OBJECTS = st.dictionaries(st.text(max_size=6), JSON, max_size=3)
NAMES = st.sampled_from(["area.one", "area.two", "other.three"])
PARAMS = st.dictionaries(st.sampled_from(["flag", "fs"]), st.text(max_size=4) | st.integers(), max_size=2)
TEXTS = st.text(max_size=4)
EVENTS = st.tuples(TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=2), TEXTS).map(list)
CELLS = st.builds(Cell, NAMES, PARAMS,
                  st.sampled_from(store.STATUSES), st.none() | OBJECTS, st.text(max_size=10),
                  st.lists(EVENTS, max_size=3).map(tuple))
COLUMNS = st.builds(Evidence, st.sampled_from(["debian-6.12", "image:/boot/bzImage"]), st.sampled_from(["6.12", "6.12.1"]),
                    OBJECTS,
                    st.lists(CELLS, max_size=4, unique_by=lambda one: (one.case, repr(sorted(one.params.items())))).map(tuple),
                    remark=st.text(max_size=10))


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def put(path: Path, text: str) -> bytes:
    """Write a text that may be no UTF-8; its bytes."""
    data = text.encode("utf-8", "surrogateescape")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data


def in_order(one: Evidence) -> Evidence:
    """Evidence with its cells as they are stored."""
    cells = sorted(one.cells, key=lambda each: (each.case, json.dumps(dict(each.params), sort_keys=True)))
    return Evidence(one.column, one.release, one.environment, tuple(cells), remark=one.remark)


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Files cannot grow beyond a size: the kernel itself refuses the write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(COLUMNS)
def test_what_is_written_is_read_and_written_again_as_the_same_bytes(one: Evidence) -> None:
    with TemporaryDirectory() as text:
        directory = Path(text)
        cases = ["area.one", "area.two", "other.three"]
        assert store.write(directory, [one], cases) == []
        assert store.read(directory) == [in_order(one)]
        before = files(directory)
        assert store.write(directory, [one], cases) == []
        assert store.write(directory, store.read(directory), cases) == []
        assert files(directory) == before


@given(COLUMNS)
def test_the_order_in_which_cells_were_seen_leaves_no_mark(one: Evidence) -> None:
    reverse = Evidence(one.column, one.release, dict(reversed(list(one.environment.items()))), one.cells[::-1],
                       remark=one.remark)
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        store.write(Path(first), [one], ["area.one", "area.two", "other.three"])
        store.write(Path(second), [reverse], ["area.one", "area.two", "other.three"])
        assert files(Path(first)) == files(Path(second))


def test_no_directory_is_no_evidence(tmp_path: Path) -> None:
    assert store.read(tmp_path / "nowhere") == []


def test_columns_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    store.write(tmp_path / "a" / "b", [evidence("two", "6.1"), evidence("one", "6.12")], [])
    assert [one.column for one in store.read(tmp_path / "a" / "b")] == ["one", "two"]


def test_a_column_with_slashes_stays_in_the_directory(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence("image:/boot/../bzImage", "6.12")], [])
    assert list(files(tmp_path)) == ["image:%2Fboot%2F..%2FbzImage.json"]
    assert store.read(tmp_path)[0].column == "image:/boot/../bzImage"


def test_every_cell_is_a_line_of_the_diff(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, {"n": 1}), cell({"is": 2}, {"n": 2}))], [CASE])
    lines = (tmp_path / "one.json").read_text().splitlines()
    assert [line.strip().rstrip(",") for line in lines if "params" in line] == [
        '{"observation": {"is": 1}, "params": {"n": 1}, "status": "observed"}',
        '{"observation": {"is": 2}, "params": {"n": 2}, "status": "observed"}']


def test_cells_not_run_again_stay_while_release_and_environment_are_the_same(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, {"n": 1}), cell({"is": 2}, {"n": 2}))], [CASE])
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 20}, {"n": 2}), cell({"is": 3}, {"n": 3}))], [CASE])
    assert [(one.params["n"], one.observation) for one in store.read(tmp_path)[0].cells] == [
        (1, {"is": 1}), (2, {"is": 20}), (3, {"is": 3})]


@pytest.mark.parametrize(("release", "environment"), [
    ("6.12.1", {"backend": "qemu"}), ("6.12", {"backend": "local"}), ("6.12", {"backend": "qemu", "lsm": "apparmor"}),
])
def test_cells_of_another_kernel_or_environment_go(tmp_path: Path, release: str, environment: dict[str, str]) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, {"n": 1}, trace=TRACE))], [CASE])
    store.write(tmp_path, [evidence("one", release, cell({"is": 2}, {"n": 2}), environment=environment)], [CASE])
    found = store.read(tmp_path)[0]
    assert (found.release, found.environment, [one.params["n"] for one in found.cells]) == (release, environment, [2])
    assert list(files(tmp_path)) == ["one.json"]


def test_cells_of_cases_that_are_no_more_go(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}), cell({"is": 2}, name="area.gone", trace=TRACE))],
                [CASE, "area.gone"])
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}))], [CASE])
    assert [one.case for one in store.read(tmp_path)[0].cells] == [CASE]
    assert list(files(tmp_path)) == ["one.json"]


def test_other_columns_are_left_alone(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, trace=TRACE))], [CASE])
    before = files(tmp_path)
    store.write(tmp_path, [evidence("two", "6.1", cell({"is": 2}, trace=OTHER_TRACE))], [CASE])
    assert files(tmp_path)["one.json"] == before["one.json"]
    assert [one.cells[0].trace for one in store.read(tmp_path)] == [TRACE, OTHER_TRACE]


def test_a_trace_is_stored_once_where_columns_agree(tmp_path: Path) -> None:
    names = ["one", "two", "three"]
    store.write(tmp_path, [evidence(name, "6.12", cell({"is": 1}, trace=TRACE)) for name in names], [CASE])
    store.write(tmp_path, [evidence("four", "6.1", cell({"is": 1}, trace=OTHER_TRACE))], [CASE])
    stored = json.loads((tmp_path / "traces" / f"{CASE}.json").read_text())["traces"]
    assert sorted(stored) == sorted([traces.digest(TRACE), traces.digest(OTHER_TRACE)])
    assert {one.column: one.cells[0].trace for one in store.read(tmp_path)} == {
        **dict.fromkeys(names, TRACE), "four": OTHER_TRACE}


def test_a_trace_that_columns_share_is_read_once(tmp_path: Path) -> None:
    trace = (["main", "mnt:0", "getuid", [], "0"],)
    store.write(tmp_path, [evidence(name, "6.12", cell({"is": "so"}, trace=trace)) for name in ("a", "b")], ["area.thing"])
    one, other = store.read(tmp_path)
    assert one.cells[0].trace[0] is other.cells[0].trace[0]


def test_columns_can_be_read_without_their_traces(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, trace=TRACE))], [CASE])
    put(tmp_path / "traces" / f"{CASE}.json", "not even looked at")
    assert store.read(tmp_path, traces=False) == [evidence("one", "6.12", cell({"is": 1}))]


def test_only_some_columns_can_be_read(tmp_path: Path) -> None:
    put(tmp_path / "other.json", "not even looked at")
    store.write(tmp_path, [evidence(name, "6.12", cell({"is": 1})) for name in ("one", "image:/two")], [CASE])
    assert [one.column for one in store.read(tmp_path, columns=["image:/two", "three"])] == ["image:/two"]


def test_who_forgets_nothing_does_not_read_what_others_refer_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To parse all evidence that there is takes longer than to run a case."""
    store.write(tmp_path, [evidence(name, "6.12", cell({"is": 1}, trace=TRACE)) for name in ("one", "two")], [CASE])
    before = files(tmp_path)
    read = noted(monkeypatch, "load", store, traces)
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, trace=TRACE))], [CASE])
    assert files(tmp_path) == before
    assert tmp_path / "two.json" not in read


def test_a_trace_goes_with_the_last_cell_that_refers_to_it(tmp_path: Path) -> None:
    both = [evidence(name, "6.12", cell({"is": 1}, trace=TRACE)) for name in ("one", "two")]
    store.write(tmp_path, both, [CASE])
    path = tmp_path / "traces" / f"{CASE}.json"
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, trace=OTHER_TRACE))], [CASE])
    assert set(json.loads(path.read_text())["traces"]) == {traces.digest(TRACE), traces.digest(OTHER_TRACE)}
    store.write(tmp_path, [evidence("two", "6.12", cell({"is": 1}, trace=OTHER_TRACE))], [CASE])
    assert set(json.loads(path.read_text())["traces"]) == {traces.digest(OTHER_TRACE)}
    store.write(tmp_path, [evidence(name, "6.12", cell({"is": 1})) for name in ("one", "two")], [CASE])
    assert not path.exists()


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_column_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    put(tmp_path / "one.json", text)
    with pytest.raises(Unreadable) as caught:
        store.read(tmp_path)
    assert str(tmp_path / "one.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_column_of_the_future_asks_for_a_newer_ksem(tmp_path: Path) -> None:
    put(tmp_path / "one.json", UNREADABLE["future schema"])
    with pytest.raises(Unreadable, match="use a newer ksem"):
        store.read(tmp_path)


@pytest.mark.parametrize("text", [None, *UNREADABLE_TRACES.values()], ids=["gone", *UNREADABLE_TRACES])
def test_cells_whose_traces_are_lost_take_no_others_along(tmp_path: Path, text: str | None) -> None:
    """Whichever case is run when that is found."""
    kept, lost = (cell({"is": 1}, name=name, trace=TRACE) for name in ("area.kept", "area.lost"))
    store.write(tmp_path, [evidence("one", "6.12", kept, lost)], ["area.kept", "area.lost"])
    before = (tmp_path / "one.json").read_bytes()
    (tmp_path / "traces/area.lost.json").unlink()
    if text is not None:
        put(tmp_path / "traces/area.lost.json", text)
    fresh = cell({"is": 2}, name="area.new")
    notices = store.write(tmp_path, [evidence("one", "6.12", fresh)], ["area.kept", "area.lost", "area.new"])
    assert store.read_column(tmp_path / "one.json").cells == (kept, fresh)
    assert "1 cells lack their traces and are to be run again (area.lost)" in notices[-1]
    assert (tmp_path / "one.json.aside-1").read_bytes() == before


WITHOUT_COLUMNS = {name: text for name, text in UNREADABLE.items() if not name.startswith("a trace")}


@pytest.mark.parametrize("text", WITHOUT_COLUMNS.values(), ids=WITHOUT_COLUMNS.keys())
def test_a_column_that_cannot_be_read_is_set_aside_and_not_overwritten(tmp_path: Path, text: str) -> None:
    fresh = evidence("one", "6.12", cell({"is": 1}, trace=TRACE))
    for number in (1, 2):
        data = put(tmp_path / "one.json", text)
        notices = store.write(tmp_path, [fresh], [CASE])
        assert (tmp_path / f"one.json.aside-{number}").read_bytes() == data
        assert [notice for notice in notices if f"one.json.aside-{number}" in notice] == notices != []
        assert store.read(tmp_path) == [fresh]


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_another_column_that_cannot_be_read_does_not_keep_evidence_from_being_stored(tmp_path: Path, text: str) -> None:
    fresh = evidence("one", "6.12", cell({"is": 1}, trace=TRACE))
    data = put(tmp_path / "two.json", text)
    assert store.write(tmp_path, [fresh], [CASE]) == []
    assert store.read_column(tmp_path / "one.json") == fresh
    assert (tmp_path / "two.json").read_bytes() == data


def test_traces_are_kept_while_a_column_that_may_refer_to_them_cannot_be_read(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence(name, "6.12", cell({"is": 1}, trace=TRACE)) for name in ("one", "two")], [CASE])
    whole = (tmp_path / "two.json").read_text()
    put(tmp_path / "two.json", whole[:-10])
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, trace=OTHER_TRACE))], [CASE])
    put(tmp_path / "two.json", whole)
    assert store.read_column(tmp_path / "two.json").cells[0].trace == TRACE


@pytest.mark.parametrize("case", [CASE, "area.not_run_now"])
@pytest.mark.parametrize("text", UNREADABLE_TRACES.values(), ids=UNREADABLE_TRACES.keys())
def test_traces_that_cannot_be_read_are_set_aside_and_not_overwritten(tmp_path: Path, text: str, case: str) -> None:
    fresh = evidence("one", "6.12", cell({"is": 1}, trace=TRACE))
    data = put(tmp_path / "traces" / f"{case}.json", text)
    notices = store.write(tmp_path, [fresh], [CASE])
    assert len(notices) == 1
    assert f"{case}.json.aside-1" in notices[0]
    assert (tmp_path / "traces" / f"{case}.json.aside-1").read_bytes() == data
    assert store.read(tmp_path) == [fresh]


@pytest.mark.parametrize("text", UNREADABLE_TRACES.values(), ids=UNREADABLE_TRACES.keys())
def test_a_column_whose_traces_cannot_be_read_is_not_read_without_them(tmp_path: Path, text: str) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, trace=TRACE))], [CASE])
    put(tmp_path / "traces" / f"{CASE}.json", text)
    with pytest.raises(Unreadable, match=CASE):
        store.read(tmp_path)


def test_a_directory_that_nobody_may_look_into_is_none_for_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(KsemError, match="cannot be written to: give another one with --results"):
        store.check(tmp_path / "results")


def test_a_full_disk_leaves_the_evidence_as_it_was(tmp_path: Path) -> None:
    old = evidence("one", "6.12", cell({"is": 1}, {"n": 1}, trace=TRACE))
    store.write(tmp_path, [old], [CASE])
    before = files(tmp_path)
    with full_disk(64), pytest.raises(KsemError) as caught:
        store.write(tmp_path, [evidence("one", "6.12", cell({"is": 2}, {"n": 2}, trace=OTHER_TRACE))], [CASE])
    assert str(tmp_path) in str(caught.value)
    assert files(tmp_path) == before
    assert store.read(tmp_path) == [old]


def test_a_disk_that_fills_up_between_traces_and_column_leaves_the_evidence_readable(tmp_path: Path) -> None:
    old = evidence("one", "6.12", cell({"is": 1}, trace=TRACE))
    store.write(tmp_path, [old], [CASE])
    large = cell({"is": "x" * 5000}, {"n": 2}, trace=OTHER_TRACE)
    with full_disk(2000), pytest.raises(KsemError):
        store.write(tmp_path, [evidence("one", "6.12", large)], [CASE])
    assert store.read(tmp_path) == [old]
    assert sorted(files(tmp_path)) == ["one.json", f"traces/{CASE}.json"]


def test_results_that_are_no_directory_are_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(KsemError, match="results"):
        store.write(tmp_path / "results", [evidence("one", "6.12")], [])


def test_nothing_but_evidence_is_left(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, trace=TRACE))], [CASE])
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "one.json", "traces", f"traces/{CASE}.json"]


def test_why_a_column_could_not_be_had_is_never_stored(tmp_path: Path) -> None:
    one = Evidence("one", "6.12", {}, (), problem="no network today")
    store.write(tmp_path, [one], [])
    assert b"network" not in b"".join(files(tmp_path).values())
    assert store.read(tmp_path)[0].problem == ""


@given(st.lists(JSON, max_size=3), st.lists(JSON, max_size=3))
def test_a_digest_names_one_trace(one: list[Any], other: list[Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (traces.digest(one) == traces.digest(other)) is same


def test_traces_of_this_machine_are_kept_apart(tmp_path: Path) -> None:
    """A local run must not touch files that are under version control."""
    traced = Cell(CASE, {}, "observed", {"is": 1}, trace=(["main", "mnt:0", "getuid", [], "0"],))
    store.write(tmp_path, [evidence("debian-6.12", "6.12", traced)], [CASE])
    committed = files(tmp_path)
    store.write(tmp_path, [evidence("local", "6.18", traced)], [CASE])
    assert {name: text for name, text in files(tmp_path).items() if name in committed} == committed
    assert (tmp_path / "traces-here" / f"{CASE}.json").exists()
    assert [one.cells[0].trace for one in store.read(tmp_path)] == [traced.trace, traced.trace]


def test_cells_of_parameters_that_are_gone_go(tmp_path: Path) -> None:
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, {"n": 1}), cell({"is": 2}, {"n": 2}))], [CASE])
    store.write(tmp_path, [evidence("one", "6.12", cell({"is": 1}, {"n": 1}))], [CASE],
                lambda one: bool(json.loads(one.params)["n"] < 2))
    assert [one.params["n"] for one in store.read(tmp_path)[0].cells] == [1]
