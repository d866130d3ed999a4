"""The matrix says what differs between kernels, and keeps apart what was not run, could not be run and was not as expected.

Guards: `unknown` is never shown as support or its absence; columns drawn together really agree; a value is spelled out
where columns differ and only there.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence

from ksem.guest.case import Case, Rule
from ksem.matrix import Line, Matrix, Relatives, Table, build, leaves, ranges, relatives, table
from ksem.model import Evidence, Verdict

WORDS = st.text(alphabet="abc", min_size=1, max_size=3)
OBSERVATIONS = st.dictionaries(WORDS, st.recursive(WORDS, lambda inner: st.dictionaries(WORDS, inner, min_size=1, max_size=3),
                                                   max_leaves=6), min_size=1, max_size=3)
FLAG = {"flag": ("ro", "nosuid", "nodev")}
ORDER = ["debian-5.10", "debian-6.1", "debian-6.12", "debian-6.16", "debian-6.18", "image:/k", "local"]


def shown(one: Case, *columns: Evidence) -> Table:
    """The table of one case."""
    matrix = build([behaviour(one)], columns)
    return table(matrix.sections[0], matrix.columns)


def verdicts(matrix: Matrix) -> list[Verdict]:
    """The verdicts of a matrix, cell by cell."""
    return [result.verdict for result in matrix.results()]


def test_what_was_not_run_is_unknown() -> None:
    matrix = build([behaviour(case(params=FLAG))], [evidence("one", "6.12", cell({"is": "so"}, {"flag": "nosuid"}))])
    assert verdicts(matrix) == [Verdict.UNKNOWN, Verdict.CONFORMS, Verdict.UNKNOWN]
    assert matrix.counts("one") == {Verdict.UNKNOWN: 2, Verdict.CONFORMS: 1}
    assert matrix.counts("one")[Verdict.DIFFERS] == 0


def test_unknown_unsupported_and_differs_are_kept_apart() -> None:
    found = shown(case({"is": "so"}, params={"n": (1, 2, 3, 4, 5, 6)}), evidence(
        "one", "6.12", cell({"is": "so"}, {"n": 1}), cell({"is": "not"}, {"n": 2}), cell(None, {"n": 4}, status="broken"),
        cell(None, {"n": 3}, status="unsupported", reason="no syscall"), cell(None, {"n": 5}, status="lost", reason="oops")))
    assert {line.label: line.texts for line in found.lines} == {
        "n=1": ("ok",), "n=2": ("DIFFERS [1]: is: not",), "n=3": ("unsupported [2]",), "n=4": ("broken",),
        "n=5": ("lost [3]",), "n=6": ("unknown",)}
    assert found.notes == ("expected is: so", "no syscall", "oops")


def test_a_cell_of_another_case_or_other_parameters_says_nothing() -> None:
    matrix = build([behaviour(case(params=FLAG))], [evidence("one", "6.12", cell({"is": "so"}, {"flag": "gone"}),
                                                             cell({"is": "so"}, {"flag": "ro"}, name="area.other"))])
    assert set(verdicts(matrix)) == {Verdict.UNKNOWN}


def test_columns_are_ordered_by_release_and_the_running_kernel_comes_last() -> None:
    columns = [evidence("local", "5.4"), evidence("b", "6.12"), evidence("c", "6.9"), evidence("a", "6.12"),
               evidence("d", "6.12-rc1")]
    assert [one.column for one in build([], columns).columns] == ["c", "d", "a", "b", "local"]


def test_columns_that_agree_are_one_group() -> None:
    changed = case((Rule({"is": "new"}, since="6.12", cites="abc123"), Rule({"is": "old"})))
    found = shown(changed, *(evidence(f"debian-{release}", release, cell({"is": seen}))
                             for release, seen in (("5.10", "old"), ("6.1", "old"), ("6.12", "new"), ("6.16", "new"))))
    assert found == Table(("debian-5.10, 6.1", "debian-6.12, 6.16"), (Line("-", ("is: old", "is: new")),), ())


def test_agreement_is_not_spelled_out() -> None:
    found = shown(case(params=FLAG), *(evidence(name, "6.12", *(cell({"is": "so"}, {"flag": flag}) for flag in FLAG["flag"]))
                                       for name in ("a", "b")))
    assert found == Table(("all columns",), (Line("all 3", ("ok",)),), ())


def test_a_value_is_shown_only_where_columns_differ() -> None:
    rules = case((Rule({"same": 1, "deep": {"a": "x", "b": "new"}}, since="6.12"),
                  Rule({"same": 1, "deep": {"a": "x", "b": "old"}})))
    found = shown(rules, evidence("a", "6.1", cell({"same": 1, "deep": {"a": "x", "b": "old"}})),
                  evidence("b", "6.12", cell({"same": 1, "deep": {"a": "x", "b": "new"}})))
    assert found.lines[0].texts == ("deep.b: old", "deep.b: new")


def test_a_value_that_one_column_lacks_is_absent() -> None:
    rules = case((Rule({"is": "so", "more": 1}, since="6.12"), Rule({"is": "so"})))
    found = shown(rules, evidence("a", "6.1", cell({"is": "so"})), evidence("b", "6.12", cell({"is": "so", "more": 1})))
    assert found.lines[0].texts == ("more: absent", "more: 1")


def test_a_column_that_lacks_a_case_does_not_make_the_others_differ() -> None:
    found = shown(case(), evidence("a", "6.1", cell({"is": "so"})), evidence("b", "6.12"))
    assert found.lines[0].texts == ("ok", "unknown")


def test_a_difference_names_what_is_expected_and_its_source_once() -> None:
    wrong = cell({"is": "not", "same": 1})
    found = shown(case((Rule({"is": "so", "same": 1}, cites="mount(2)"),)), evidence("a", "6.1", wrong),
                  evidence("b", "6.12", wrong))
    assert found.lines[0].texts == ("DIFFERS [1]: is: not",)
    assert found.notes == ("expected is: so (mount(2))",)


def test_many_differing_values_are_counted() -> None:
    wrong = {f"value {number}": "wrong" for number in range(7)}
    found = shown(case(dict.fromkeys(wrong, "right")), evidence("a", "6.1", cell(wrong)))
    assert found.lines[0].texts[0].endswith("value 3: wrong; and 3 more")


@pytest.mark.parametrize("params", [{}, FLAG])
def test_without_any_column_there_are_rows_and_no_groups(params: dict[str, tuple[str, ...]]) -> None:
    found = shown(case(params=params))
    assert found.groups == ()
    assert [line.texts for line in found.lines] == [()]


def test_a_case_without_parameter_sets_has_no_lines() -> None:
    assert shown(case(params=FLAG, where=lambda flag: False), evidence("a", "6.1")).lines == ()


@pytest.mark.parametrize(("wrong", "labels"), [
    ([], {"all 6"}),
    ([("x", 1), ("x", 2), ("x", 3)], {"name=x", "name=y"}),
    ([("x", 1), ("y", 1)], {"n=1", "n=2, 3"}),
    ([("x", 1)], {"name=x n=1", "x-2; x-3; y-1; y-2; y-3"}),
])
def test_a_label_tells_parameter_sets_from_the_others(wrong: list[tuple[str, int]], labels: set[str]) -> None:
    sets = [(name, number) for name in "xy" for number in (1, 2, 3)]
    cells = [cell({"is": "not" if one in wrong else "so"}, {"name": one[0], "n": one[1]}) for one in sets]
    found = shown(case(params={"name": ("x", "y"), "n": (1, 2, 3)}), evidence("a", "6.1", *cells))
    assert {line.label for line in found.lines} == labels


@pytest.mark.parametrize(("value", "expected"), [
    ({}, {"": "{}"}), (None, {"": "null"}),
    ({"copy": {"flags": ["ro", "relatime"]}}, {"copy.flags": "ro, relatime"}),
    ({"flags": []}, {"flags": "none"}), ({"is": {}}, {"is": "{}"}),
    ({"is": None, "n": 1, "b": True}, {"is": "null", "n": "1", "b": "true"}),
    ({"list": [{"b": 1, "a": 2}]}, {"list": '[{"a": 2, "b": 1}]'}),
])
def test_leaves_are_paths_with_texts(value: Any, expected: dict[str, str]) -> None:
    assert leaves(value) == expected


@given(OBSERVATIONS)
def test_every_leaf_is_found_below_its_path(observation: dict[str, Any]) -> None:
    for path, text in leaves(observation).items():
        inner: Any = observation
        for key in path.split("."):
            inner = inner[key]
        assert inner == text


@given(OBSERVATIONS, OBSERVATIONS)
def test_observations_differ_when_their_leaves_do(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (leaves(one) == leaves(other)) is (one == other)


@pytest.mark.parametrize(("names", "text"), [
    (ORDER, "all columns"),
    (["local"], "local"),
    (["debian-6.1"], "debian-6.1"),
    (["debian-6.1", "debian-6.12"], "debian-6.1, 6.12"),
    (["debian-5.10", "debian-6.1", "debian-6.12"], "debian-5.10 to 6.12"),
    (["debian-5.10", "debian-6.12", "debian-6.16", "debian-6.18"], "debian-5.10, 6.12 to 6.18"),
    (["debian-6.18", "debian-5.10", "local"], "debian-5.10, 6.18, local"),
    (["debian-6.18", "image:/k", "local"], "debian-6.18 to local"),
    ([], ""),
])
def test_neighbours_are_a_range(names: list[str], text: str) -> None:
    assert ranges(names, ORDER) == text


def test_a_single_column_is_named() -> None:
    assert ranges(["debian-6.1"], ["debian-6.1"]) == "debian-6.1"


@given(st.sets(st.sampled_from(ORDER), min_size=1, max_size=len(ORDER) - 1))
def test_a_range_starts_and_ends_with_columns_that_are_meant(names: set[str]) -> None:
    text = ranges(sorted(names), ORDER)
    for group in text.split(", "):
        for name in group.split(" to "):
            assert {name, f"debian-{name}"} & names


def surrounded(column: str, release: str, *seen: str, **environment: str) -> Evidence:
    """A column on which the flags ro, nosuid and nodev were seen so; "" is unsupported, what is missing was not run."""
    cells = [cell({"is": one, "flags": ["ro"]} if one else None, {"flag": flag}, status="observed" if one else "unsupported")
             for flag, one in zip(FLAG["flag"], seen, strict=False)]
    return evidence(column, release, *cells, environment=environment)


def test_the_same_release_in_another_environment_is_compared() -> None:
    matrix = build([behaviour(case(params=FLAG))], [
        surrounded("debian-6.1", "6.1.9", "so", "so", lsm="yama", backend="qemu"),
        surrounded("debian-12-vagrant", "6.1.9", "so", "not so", "so", lsm="apparmor", backend="qemu")])
    assert relatives(matrix) == [Relatives(("debian-12-vagrant", "debian-6.1"), "6.1.9", ("lsm: apparmor / yama",), 1,
                                           ("area.thing[nosuid]: is: not so / so",))]


def test_what_only_one_environment_can_do_is_a_difference() -> None:
    matrix = build([behaviour(case(params=FLAG))], [
        surrounded("one", "6.1.9", "so", "", os="none"), surrounded("two", "6.1.9", "", "", os="some")])
    found, = relatives(matrix)
    assert (found.same, found.other) == (1, ("area.thing[ro]: observed / unsupported",))


def test_other_releases_and_equal_environments_are_not_compared() -> None:
    assert relatives(build([], [surrounded("one", "6.1.9", os="a"), surrounded("two", "6.1.10", os="b"),
                                surrounded("three", "6.1.9", os="a")])) == []
