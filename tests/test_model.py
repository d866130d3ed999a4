"""Releases are put in order, drawn out of what uname(2) says, and never guessed.

Guards: which expectation holds hangs on this order alone, and what Debian calls a kernel is not its release.
"""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksem.model import Cell, KsemError, Lost, Unavailable, Verdict, release_key, series_of, upstream_release

NUMBERS = st.integers(min_value=0, max_value=9000)


@pytest.mark.parametrize(("older", "newer"), [
    ("6.9", "6.12"),
    ("6.12-rc1", "6.12"),
    ("6.12-rc2", "6.12-rc10"),
    ("6.11.99", "6.12-rc1"),
    ("6.12", "6.12.1"),
    ("6.12.9", "6.12.10"),
    ("5.10.262", "6.1"),
    ("7.3-rc7", "7.3"),
])
def test_releases_are_ordered_as_they_came_out(older: str, newer: str) -> None:
    assert release_key(older) < release_key(newer)


@pytest.mark.parametrize(("release", "same"), [
    ("6.12.0", "6.12"), ("6.19~rc4", "6.19-rc4"), ("6.19.0-rc4", "6.19-rc4"), ("6.12.90+deb13-cloud-amd64", "6.12.90"),
])
def test_one_release_has_several_spellings(release: str, same: str) -> None:
    assert release_key(release) == release_key(same)


@pytest.mark.parametrize("text", ["", "six", "6", "v6.12", "-rc1", " 6.12"])
def test_what_is_no_release_is_refused_by_name(text: str) -> None:
    with pytest.raises(KsemError) as caught:
        release_key(text)
    assert repr(text) in str(caught.value)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_candidate_comes_before_its_release_and_every_stable_one_after(major: int, minor: int, patch: int, rc: int) -> None:
    series = f"{major}.{minor}"
    assert release_key(f"{series}-rc{rc}") < release_key(series) < release_key(f"{series}.{patch + 1}")
    assert release_key(f"{series}.{patch}") < release_key(f"{series}.{patch + 1}") < release_key(f"{major}.{minor + 1}-rc{rc}")
    assert series_of(f"{series}-rc{rc}") == series_of(f"{series}.{patch}") == series


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_the_order_of_releases_is_that_of_their_numbers(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    first, second = (release_key("{}.{}.{}".format(*numbers)) for numbers in (one, other))
    assert (first < second) == (one < other)
    assert (first == second) == (one == other)


@pytest.mark.parametrize(("release", "version", "upstream"), [
    ("6.1.0-56-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-09-10)", "6.1.192"),
    ("6.19+deb14-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.19~rc4-1~exp1 (2026-01-05)", "6.19-rc4"),
    ("6.12.90", "#7 SMP Tue Nov 24", "6.12.90"),
    ("6.19.0-rc4-00012-gabcdef", "#1 SMP", "6.19.0-rc4"),
    ("7.3-arch1-1", "#1 SMP", "7.3"),
    ("strange", "#1", "strange"),
])
def test_the_upstream_release_is_behind_what_uname_says(release: str, version: str, upstream: str) -> None:
    assert upstream_release(release, version) == upstream


def test_data_cannot_be_changed_on_its_way() -> None:
    cell = Cell("area.thing", {}, "observed")
    with pytest.raises(dataclasses.FrozenInstanceError):
        cell.status = "lost"  # type: ignore[misc]


def test_a_lost_machine_is_nothing_that_the_user_can_mend() -> None:
    loss = Lost("it hung", "last words")
    assert not isinstance(loss, KsemError)
    assert (str(loss), loss.reason, loss.console) == ("it hung", "it hung", "last words")
    assert issubclass(Unavailable, KsemError)


def test_verdicts_are_spelled_as_the_design_spells_them() -> None:
    assert [str(verdict) for verdict in Verdict] == ["conforms", "differs", "unsupported", "broken", "lost", "flaky", "unknown"]
