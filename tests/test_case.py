"""A case is data that host and guest read alike: which parameter sets there are, what they need, what is expected.

Guards: the order of the parameter sets is the order of the matrix, and leaving one out is the case's decision alone.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from made import case

from ksem.guest.case import Rule, combinations, needs_of, rules_of

VALUES = st.lists(st.integers() | st.booleans() | st.text(max_size=3), min_size=1, max_size=4)


def test_a_case_without_parameters_is_run_once() -> None:
    assert combinations(case()) == [{}]


def test_parameter_sets_are_the_product_in_the_order_in_which_values_are_written() -> None:
    assert combinations(case(params={"b": (2, 1), "a": ("x", "y")})) == [
        {"b": 2, "a": "x"}, {"b": 2, "a": "y"}, {"b": 1, "a": "x"}, {"b": 1, "a": "y"}]


def test_where_leaves_sets_out_and_changes_no_order() -> None:
    one = case(params={"a": (1, 2), "b": (1, 2)}, where=lambda a, b: a != b)
    assert combinations(one) == [{"a": 1, "b": 2}, {"a": 2, "b": 1}]


@given(st.dictionaries(st.sampled_from("abc"), VALUES))
def test_there_are_as_many_sets_as_the_values_allow(params: dict[str, list[object]]) -> None:
    sets = combinations(case(params=params))
    expected = 1
    for values in params.values():
        expected *= len(values)
    assert len(sets) == expected
    assert all(list(one) == list(params) for one in sets)


def test_needs_may_depend_on_the_parameters() -> None:
    assert needs_of(case(needs=("root",)), {"fs": "xfs"}) == ("root",)
    assert needs_of(case(needs=lambda fs: ("root", f"fs:{fs}")), {"fs": "xfs"}) == ("root", "fs:xfs")


def test_a_plain_expectation_is_one_rule_for_every_release() -> None:
    assert rules_of(case({"is": "so"})) == (Rule({"is": "so"}),)
    rules = (Rule({"is": "so"}, since="6.1"), Rule({"is": "not"}))
    assert rules_of(case(rules)) == rules
