"""A report that KCIDB takes: valid by kcidb-io's own schema, for every matrix; a verdict has the status that the schema means.

Guards: what was not run is not reported; a machine that went away is no failure of its kernel, unless that died of itself.
"""

from __future__ import annotations

import json
from typing import Any

import kcidb_io
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence
from matrices import MATRICES, MIXED, own

from ksem.matrix import Matrix, build
from ksem.renderers import kcidb

CONSOLE = "the machine did not answer: closed; the console ended with:\n[  3.1] sysrq: Trigger a crash\n"
PANIC = CONSOLE + "[  3.2] Kernel panic - not syncing: sysrq triggered crash\n[  3.3] ---[ end Kernel panic ]---"
OOPS = CONSOLE + "[  4.2] BUG: kernel NULL pointer dereference, address: 000000000000{}\n[  4.3] Oops: 0002 [#{}] SMP"


def report(matrix: Matrix) -> dict[str, Any]:
    """A matrix as KCIDB takes it, checked."""
    found: dict[str, Any] = json.loads(kcidb.render(matrix))
    kcidb_io.schema.V5_3.validate_exactly(found)
    assert kcidb_io.schema.V5_3.is_compatible_exactly(found)
    for kind in ("checkouts", "builds", "tests", "issues", "incidents"):
        assert len({one["id"] for one in found.get(kind, [])}) == len(found.get(kind, []))
    known = {kind: {one["id"] for one in found.get(kind, [])} for kind in ("checkouts", "builds", "tests", "issues")}
    assert {one["checkout_id"] for one in found.get("builds", [])} <= known["checkouts"]
    assert {one["build_id"] for one in found.get("tests", [])} <= known["builds"]
    assert {one["test_id"] for one in found.get("incidents", [])} <= known["tests"]
    assert {one["issue_id"] for one in found.get("incidents", [])} == known["issues"]
    return found


def of(*cells: tuple[str, str]) -> dict[str, Any]:
    """The report of a case with a cell for each (status, reason)."""
    numbers = range(len(cells))
    made = [cell({"is": "so"} if status == "observed" else None, {"n": number}, status=status, reason=reason)
            for number, (status, reason) in zip(numbers, cells, strict=True)]
    return report(build([behaviour(case(params={"n": tuple(numbers)}))], [evidence("one", "6.12.3", *made)]))


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
def test_every_matrix_is_valid(matrix: Matrix) -> None:
    report(matrix)


def test_the_projects_own_evidence_is_valid() -> None:
    found = report(own())
    assert {one["status"] for one in found["tests"]} == {"PASS", "SKIP"}
    assert {one["architecture"] for one in found["builds"]} == {"x86_64"}


def test_a_column_is_a_build_and_a_cell_a_test() -> None:
    found = report(MIXED)
    assert [one["git_commit_name"] for one in found["checkouts"]] == ["v6.1", "v6.12"]
    assert [(one["path"], one["status"], one["misc"]["observed"]) for one in found["tests"]] == [
        ("ksem.area.thing.ro", "PASS", {"is": "old"}), ("ksem.area.thing.ro", "FAIL", {"is": "old"}),
        ("ksem.area.thing.nosuid", "SKIP", None), ("ksem.area.thing.nosuid", "PASS", {"is": "new"})]
    assert found["tests"][1]["misc"]["expected"] == {"is": "new"}
    assert found["tests"][2]["log_excerpt"] == "no such call"


def test_what_was_not_run_is_not_reported() -> None:
    assert "tests" not in report(build([behaviour(case())], [evidence("one", "6.12")]))


def test_each_verdict_has_its_status() -> None:
    found = of(("observed", ""), ("unsupported", "no call"), ("broken", "no set-up"), ("lost", CONSOLE))
    assert [one["status"] for one in found["tests"]] == ["PASS", "SKIP", "ERROR", "MISS"]
    assert "incidents" not in found


def test_a_kernel_that_dies_is_at_fault_and_the_same_death_is_one_issue() -> None:
    found = of(("lost", PANIC), ("flaky", OOPS.format("0000", 1)), ("lost", OOPS.format("0010", 2)), ("lost", CONSOLE))
    assert [one["status"] for one in found["tests"]] == ["FAIL", "FAIL", "FAIL", "MISS"]
    assert [one["comment"] for one in found["issues"]] == [
        "Kernel panic - not syncing: sysrq triggered crash", "BUG: kernel NULL pointer dereference, address: 0000000000000000"]
    assert all(one["culprit"] == {"code": True} for one in found["issues"])
    assert [(one["issue_id"], one["test_id"]) for one in found["incidents"]] == [
        (found["issues"][issue]["id"], found["tests"][test]["id"]) for issue, test in ((0, 0), (1, 1), (1, 2))]
    assert all(one["present"] for one in found["incidents"])


def test_a_case_that_only_speaks_of_a_panic_is_none() -> None:
    assert of(("broken", PANIC), ("unsupported", PANIC))["tests"][0]["status"] == "ERROR"


def test_rows_whose_values_look_alike_have_places_of_their_own() -> None:
    one = case(params={"flag": ("a b", "a-b", "a/b", "")})
    found = report(build([behaviour(one)], [evidence("one", "6.12", *(
        cell({"is": "so"}, {"flag": flag}) for flag in one.params["flag"]))]))
    assert len({test["path"] for test in found["tests"]}) == 4


def test_a_long_console_keeps_its_end() -> None:
    found = of(("lost", "x" * 20000 + PANIC))
    assert found["tests"][0]["log_excerpt"].endswith("---[ end Kernel panic ]---")


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_text_is_valid(one: str, other: str) -> None:
    made = behaviour(case(params={"a": (one, other + "!")}), name=one or "thing")
    report(build([made], [evidence(other, "6.12", cell({one: other}, {"a": one}, name=made.name), cell(
        None, {"a": other + "!"}, status="lost", reason=f"Kernel panic - not syncing: {one}", name=made.name), remark=one)]))
