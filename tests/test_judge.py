"""A verdict follows from the expectation, the release and the observation, and from nothing else.

Guards: the first rule that holds wins; a backport holds for its own series only, from its release on; a cell that was
not observed is never called right or wrong.
"""

from __future__ import annotations

import pytest
from made import case, cell, evidence

from ksem.guest.case import Rule, expected_by
from ksem.judge import holds, judge, rule_for
from ksem.model import Verdict

BACKPORTED = Rule({"is": "new"}, since="6.19", backports=("6.12.70", "6.18.10"), cites="abc123")


@pytest.mark.parametrize(("release", "expected"), [
    ("6.19", True), ("6.19.3", True), ("7.0-rc1", True),
    ("6.19-rc8", False), ("6.18", False),
    ("6.18.9", False), ("6.18.10", True), ("6.18.11", True),
    ("6.12.69", False), ("6.12.70", True), ("6.12.117", True),
    ("6.17.99", False), ("6.13.70", False), ("6.1.192", False), ("5.10.262", False),
])
def test_a_rule_holds_from_its_release_on_and_in_series_that_took_it(release: str, expected: bool) -> None:
    assert holds(BACKPORTED, release) is expected


@pytest.mark.parametrize(("since", "release", "expected"), [
    ("6.19-rc1", "6.19-rc1", True), ("6.19-rc1", "6.19", True), ("6.19-rc2", "6.19-rc1", False),
    ("6.19", "6.19-rc1", False), ("6.19-rc1", "6.18.40", False), (None, "2.6.39", True),
])
def test_a_candidate_is_not_yet_its_release(since: str | None, release: str, expected: bool) -> None:
    assert holds(Rule({}, since=since), release) is expected


@pytest.mark.parametrize(("release", "right"), [
    ("7.1", "newest"), ("7.0", "newest"), ("6.19", "middle"), ("6.2", "middle"), ("6.1", "oldest"),
])
def test_the_first_rule_that_holds_wins(release: str, right: str) -> None:
    rules = (Rule({"is": "newest"}, since="7.0"), Rule({"is": "middle"}, since="6.2"), Rule({"is": "oldest"}))
    assert rule_for(rules, release).observation == {"is": right}


def test_a_later_rule_is_not_asked_when_an_earlier_one_holds() -> None:
    rules = (Rule({"is": "always"}), Rule({"is": "never"}, since="6.0"))
    assert rule_for(rules, "6.12").observation == {"is": "always"}


@pytest.mark.parametrize(("release", "seen", "verdict"), [
    ("6.19", "new", Verdict.CONFORMS), ("6.19", "old", Verdict.DIFFERS),
    ("6.18", "new", Verdict.DIFFERS), ("6.18", "old", Verdict.CONFORMS),
    ("6.18.10", "new", Verdict.CONFORMS),
])
def test_the_same_observation_is_right_or_wrong_by_release(release: str, seen: str, verdict: Verdict) -> None:
    result = judge(case((BACKPORTED, Rule({"is": "old"}, cites="mount(2)"))), cell({"is": seen}), evidence("one", release))
    assert result.verdict is verdict
    assert result.cites == ("mount(2)" if result.expected == {"is": "old"} else "abc123")
    assert (result.column, result.release) == ("one", release)


@pytest.mark.parametrize("status", ["unsupported", "broken", "lost", "flaky", "unknown"])
@pytest.mark.parametrize("observation", [None, {"is": "so"}, {"is": "not so"}])
def test_what_was_not_observed_keeps_its_status(status: str, observation: dict[str, str] | None) -> None:
    result = judge(case({"is": "so"}), cell(observation, status=status, reason="why"), evidence("one", "6.12"))
    assert result.verdict.value == status
    assert result.expected == {"is": "so"}
    assert result.cell.reason == "why"


def test_an_expectation_may_be_a_function_of_the_parameters() -> None:
    assert expected_by(Rule(lambda flag: {"copy": [flag]}), {"flag": "ro"}) == {"copy": ["ro"]}
    result = judge(case(lambda flag: {"copy": [flag]}), cell({"copy": ["ro"]}, {"flag": "ro"}), evidence("one", "6.12"))
    assert result.verdict is Verdict.CONFORMS


@pytest.mark.parametrize("observation", [{}, {"is": "so", "more": 1}, {"is": ["so"]}, {"is": None}])
def test_more_less_or_otherwise_differs(observation: dict[str, object]) -> None:
    assert judge(case({"is": "so"}), cell(observation), evidence("one", "6.12")).verdict is Verdict.DIFFERS


def test_no_observation_at_all_does_not_conform() -> None:
    assert judge(case({"is": "so"}), cell(None), evidence("one", "6.12")).verdict is Verdict.DIFFERS
