"""Every single value of an expectation counts: falsify one, and the case that conformed differs.

Guards: an expectation that shares a list between two of its values, that changes from call to call, or of which a part is
never compared would let a kernel that changed pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import project
import pytest
from made import case as made_case
from made import cell, evidence

from ksem import catalog, store
from ksem.catalog import Behaviour
from ksem.guest.case import combinations, expected_by, rules_of
from ksem.judge import judge
from ksem.model import Evidence, Verdict

BEHAVIOURS = catalog.behaviours(project.ROOT)
COLUMNS = ("debian-5.10", "debian-6.12", "debian-7.3")


def verdict(expected: Mapping[str, Any], observed: Mapping[str, Any]) -> Verdict:
    """What is said of an observation where this is expected."""
    return judge(made_case(dict(expected)), cell(observed), evidence("one", "6.12")).verdict


def falsified(expected: Any) -> Iterator[str]:
    """Change each leaf of a value in place, one at a time, and name it; the value is whole again afterwards."""
    for key, value in list(expected.items() if isinstance(expected, dict) else enumerate(expected)):
        if isinstance(value, dict | list) and value:
            yield from (f"{key}.{path}" for path in falsified(value))
            continue
        expected[key] = other(value)
        yield str(key)
        expected[key] = value


def other(value: Any) -> Any:
    """Another value of the same kind."""
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"not {value}"


def test_a_leaf_is_every_value_however_deep() -> None:
    value = {"a": "ok", "b": [1, {"c": True}], "d": {}, "e": []}
    seen = [(path, repr(value)) for path in falsified(value)]
    assert [path for path, _ in seen] == ["a", "b.0", "b.1.c", "d", "e"]
    assert len({text for _, text in seen} | {repr(value)}) == 6


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda one: one.name)
def test_no_value_of_an_expectation_can_be_another(behaviour: Behaviour) -> None:
    for params in combinations(behaviour.case):
        for rule in rules_of(behaviour.case):
            expected, observed = copied(expected_by(rule, params)), copied(expected_by(rule, params))
            assert expected
            assert verdict(expected, observed) is Verdict.CONFORMS, "it changes from call to call"
            assert [path for path in falsified(expected) if verdict(expected, observed) is not Verdict.DIFFERS] == []


def copied(value: Any) -> Any:
    """The same value, which nobody else holds, and of which a part that is there twice is two."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module", params=COLUMNS)
def committed(request: pytest.FixtureRequest) -> Evidence:
    return store.read_column(project.ROOT / "results" / f"{request.param}.json")


def test_what_conformed_would_not_if_any_of_it_were_otherwise(committed: Evidence) -> None:
    behaviours = {one.name: one.case for one in BEHAVIOURS}
    meant = {name: combinations(one) for name, one in behaviours.items()}
    checked = 0
    for one in committed.cells:
        if one.status != "observed" or dict(one.params) not in meant.get(one.case, []):
            continue
        right = judge(behaviours[one.case], one, committed)
        # Evidence that is older than its expectation is due again: test_on_kernels says so.
        if right.verdict is not Verdict.CONFORMS:
            continue
        observed = copied(one.observation)
        for path in falsified(observed):
            assert observed != right.expected, (one.case, one.params, path)
        checked += 1
    assert checked > 500
