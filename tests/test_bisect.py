"""The search asks as few releases as possible, passes over what cannot be asked, and tells git what it means.

Guards: each question is a boot; a range that is wrong sends somebody through a thousand commits.
"""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import cell

from ksem.bisect import Outcome, boots, commits, git_commands, git_range, search, shown, state, tag


def even(one: int, other: int) -> int:
    return 1


@given(st.integers(1, 80), st.data())
def test_the_first_change_is_found_in_as_many_boots_as_said(count: int, data: st.DataObject) -> None:
    between = list(range(1, count))
    first = data.draw(st.integers(1, count))
    asked: list[int] = []

    def is_old(number: int) -> bool:
        asked.append(number)
        return number < first

    assert search(0, count, between, even, is_old) == Outcome(first - 1, first, ())
    assert len(asked) == len(set(asked)) <= boots(0, count, between, even) == (count - 1).bit_length()


@given(st.integers(1, 40), st.data())
def test_what_cannot_be_asked_is_passed_over_and_told(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, count))
    dark = data.draw(st.sets(st.integers(1, max(1, count - 1))))
    found = search(0, count, range(1, count), even, lambda number: None if number in dark else number < first)
    assert found.old < first <= found.new
    assert list(found.untold) == list(range(found.old + 1, found.new))
    assert set(found.untold) <= dark


def test_a_new_series_is_asked_at_its_beginning() -> None:
    """Between 6.1.192 and 6.12.117 lie thirty stable releases: a change is more likely to be of 6.2 to 6.12."""
    releases = [f"6.12.{number}" for number in range(43, 117, 2)]
    asked: list[str] = []

    def is_old(release: str) -> bool:
        asked.append(release)
        return False

    found = search("6.1.192", "6.12.117", releases, commits, is_old)
    assert found == Outcome("6.1.192", "6.12.43", ())
    assert asked == ["6.12.43"]


@pytest.mark.parametrize(("one", "other", "expected"), [("6.12.43", "6.12.57", 14), ("6.12.90", "6.12.90", 1),
                                                        ("6.12.90", "6.16.3", 100), ("6.19", "7.0", 100)])
def test_how_much_changes_from_release_to_release(one: str, other: str, expected: int) -> None:
    assert commits(one, other) == expected


@pytest.mark.parametrize(("release", "expected"), [("6.12.43", "v6.12.43"), ("6.12", "v6.12"), ("6.12.0", "v6.12"),
                                                   ("7.3-rc7", "v7.3-rc7"), ("7.3.0-rc7", "v7.3-rc7")])
def test_a_release_has_a_tag(release: str, expected: str) -> None:
    assert tag(release) == expected


@pytest.mark.parametrize(("old", "new", "expected"), [
    ("6.12.85", "6.12.86", "v6.12.85..v6.12.86"),
    ("6.12", "6.12.3", "v6.12..v6.12.3"),
    ("6.12", "6.13", "v6.12..v6.13"),
    ("6.1.192", "6.2", "v6.1..v6.2, if v6.1 is as v6.1.192: git asks for that first"),
    ("6.16.12", "6.17.8", "v6.16..v6.17.8 (v6.16..v6.17 on mainline, or v6.17..v6.17.8 on its stable branch), if v6.16 is as"
     " v6.16.12: git asks for that first"),
])
def test_the_range_in_git_starts_where_the_series_part(old: str, new: str, expected: str) -> None:
    assert git_range(old, new) == expected


def test_the_command_for_git_survives_two_shells() -> None:
    start, run = git_commands("6.1.9", "6.2", ["/a b/ksem", "--project", "/a b"], "area.thing",
                              ["--params", "caller=root's", "--leaf", "a b.c"], "/a b/results/debian-6.1.json")
    assert start == "git bisect start v6.2 v6.1.9"
    words = shlex.split(run)
    assert words[:5] == ["git", "bisect", "run", "sh", "-c"]
    build, _, test = words[5].partition(" || exit 125; ")
    assert build == "make olddefconfig bzImage"
    assert shlex.split(test) == ["/a b/ksem", "--project", "/a b", "run", "image:arch/x86/boot/bzImage", "-q",
                                 "-k", "area.thing", "--params", "caller=root's", "--leaf", "a b.c",
                                 "--against", "/a b/results/debian-6.1.json"]


SETS = [{"flag": "ro"}, {"flag": "nosuid"}]
CELLS = [cell({"is": "so", "also": "x"}, params) for params in SETS]


def test_a_state_is_known_when_all_of_it_is() -> None:
    assert state(CELLS, "area.thing", SETS) is not None
    assert state(CELLS[:1], "area.thing", SETS) is None
    assert state(CELLS[:1], "area.thing", SETS[:1]) is not None
    dark = cell(None, SETS[1], status="unsupported", reason="no filesystem xfs")
    assert state([CELLS[0], dark], "area.thing", SETS) is None


def test_only_the_leaves_that_count_make_a_state() -> None:
    changed = [cell({"is": "not", "also": "x"}, params) for params in SETS]
    assert state(CELLS, "area.thing", SETS) != state(changed, "area.thing", SETS)
    assert state(CELLS, "area.thing", SETS, ["also"]) == state(changed, "area.thing", SETS, ["also"])


def test_two_kernels_that_lack_what_it_takes_are_the_same_whatever_they_say() -> None:
    lacking = [state([cell(None, SETS[0], status="unsupported", reason=reason)], "area.thing", SETS[:1])
               for reason in ("no system call one", "no system call two")]
    assert lacking[0] == lacking[1] is not None


def test_what_changed_is_shown_by_place() -> None:
    changed = [CELLS[0], cell({"is": "not", "also": "x"}, SETS[1])]
    one, other = state(CELLS, "area.thing", SETS), state(changed, "area.thing", SETS)
    assert one
    assert other
    assert shown(one, other) == [("is [flag=nosuid]", "so", "not")]
    lacking = state([cell(None, {}, status="unsupported", reason="no system call x")], "area.thing", [{}])
    there = state([cell({"is": "so"})], "area.thing", [{}])
    assert lacking
    assert there
    assert shown(lacking, there) == [("the case", "unsupported", "supported")]
