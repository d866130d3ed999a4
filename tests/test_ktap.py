"""KTAP that the kernel's own tools read: valid to its specification and its parser, for every matrix, hostile ones too.

Guards: nothing that was not run passes; a failure is a failure of all that it is part of; what a kernel says cannot end a line,
a description or a test. The validator is tests/kernel_tap.py.
"""

from __future__ import annotations

import kernel_tap
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence
from matrices import HOSTILE, MATRICES, MIXED, own

from ksem.matrix import Matrix, build
from ksem.renderers import ktap

TEXTS = st.text(alphabet=st.sampled_from("ab #-\n\\.\u2028\x1b ok1"), max_size=12)


def found_in(matrix: Matrix) -> dict[str, kernel_tap.Test]:
    """The tests of a matrix, each by the names that lead to it."""
    found = {}

    def walk(test: kernel_tap.Test, path: str) -> None:
        for one in test.tests:
            found[f"{path}{one.name}"] = one
            walk(one, f"{path}{one.name} > ")

    walk(kernel_tap.parse(ktap.render(matrix)), "")
    return found


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
def test_every_matrix_is_valid(matrix: Matrix) -> None:
    kernel_tap.parse(ktap.render(matrix))


def test_the_projects_own_evidence_is_valid_and_complete() -> None:
    matrix = own()
    found = found_in(matrix)
    leaves = [one for one in found.values() if not one.tests]
    assert len(leaves) == sum(1 for _ in matrix.results())
    assert {one.status for one in leaves} == {"passed", "skipped"}


def test_columns_hold_cases_and_cases_hold_parameter_sets() -> None:
    found = found_in(MIXED)
    assert {name: one.status for name, one in found.items()} == {
        "debian-6.1": "passed", "debian-6.1 > area.thing": "passed", "debian-6.1 > area.thing > flag=ro": "passed",
        "debian-6.1 > area.thing > flag=nosuid": "skipped",
        "debian-6.12": "failed", "debian-6.12 > area.thing": "failed", "debian-6.12 > area.thing > flag=ro": "failed",
        "debian-6.12 > area.thing > flag=nosuid": "passed"}
    assert found["debian-6.1 > area.thing > flag=nosuid"].reason == "no such call"
    assert found["debian-6.12 > area.thing > flag=ro"].log == [
        "differs: is: expected new, observed old", "differs: the expectation's source: abc123"]
    assert "release: 6.12" in found["debian-6.12"].log
    assert "remark: a remark" in found["debian-6.12"].log


def test_a_case_without_parameters_is_one_test() -> None:
    matrix = build([behaviour(case())], [evidence("one", "6.12", cell({"is": "so"}))])
    assert list(found_in(matrix)) == ["one", "one > area.thing"]


@pytest.mark.parametrize(("status", "directive", "outcome"), [
    ("broken", "ERROR", "failed"), ("lost", "ERROR", "failed"), ("flaky", "ERROR", "failed"),
    ("unsupported", "SKIP", "skipped"), (None, "SKIP", "skipped")])
def test_nothing_passes_that_was_not_observed(status: str | None, directive: str, outcome: str) -> None:
    cells = [cell(status=status, reason="why it is\nand more of it")] if status else []
    one = found_in(build([behaviour(case())], [evidence("one", "6.12", *cells)]))["one > area.thing"]
    assert (one.status, one.directive) == (outcome, directive)
    assert ("why it is" in one.reason, one.log == [f"{status}: and more of it"]) == (bool(status), bool(status))


def test_what_a_kernel_says_stays_on_its_line() -> None:
    text = ktap.render(MATRICES["hostile"])
    assert HOSTILE in text
    found = found_in(MATRICES["hostile"]).values()
    lost = next(one for one in found if one.status == "failed" and not one.tests and one.reason)
    assert lost.reason == "lost: oops"
    assert "\x1b" not in text


@given(st.lists(TEXTS, min_size=2, max_size=2, unique=True), TEXTS, TEXTS, st.sampled_from(["observed", "lost", "unsupported"]))
def test_any_text_is_valid(values: list[str], column: str, seen: str, status: str) -> None:
    one = behaviour(case(params={"a": tuple(values)}), name=column or "area.thing")
    cells = [cell({seen: seen} if status == "observed" else None, {"a": value}, status=status, reason=seen, name=one.name)
             for value in values]
    kernel_tap.parse(ktap.render(build([one], [evidence(column, "6.12", *cells, remark=seen)])))


@pytest.mark.parametrize("text", [
    "ok 1 a\n", "KTAP version 1\nok 1 a\n", "KTAP version 1\n1..2\nok 1 a\n", "KTAP version 1\n1..1\nok 2 a\n",
    "KTAP version 1\n1..1\nok 1 a", "KTAP version 1\n1..1\nok 1 a # ERROR b\n", "KTAP version 1\n1..1\nok 1\n",
    "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: a\n  1..1\n  not ok 1 b\nok 1 a\n",
    "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: a\n  1..1\n  ok 1 b\nok 1 c\n",
    "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: a\n  1..2\n  ok 1 b\n  ok 2 a\nok 1 a\n",
    "KTAP version 1\n1..1\n KTAP version 1\n 1..1\n ok 1 b\nok 1 a\n"])
def test_the_validator_refuses_what_is_wrong(text: str) -> None:
    with pytest.raises(kernel_tap.Invalid):
        kernel_tap.parse(text)


def test_the_validator_reads_what_the_specification_allows() -> None:
    main = kernel_tap.parse(
        "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n"
        "    KTAP version 1\n    # Subtest: first\n    1..1\n    # one: starts\n    ok 1 one # took=1\n  ok 1 first\n"
        "    KTAP version 1\n    1..2\n    ok 1 one # SKIP not here\n    ok 2 - two\n  ok 2 second\nok 1 all\n")
    assert [(one.name, one.status) for one in main.tests[0].tests[1].tests] == [("one", "skipped"), ("two", "passed")]
    assert main.tests[0].tests[0].tests[0].log == ["one: starts"]
