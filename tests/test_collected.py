"""What workers tell, put together: evidence of a column speaks of one kernel in one environment, whoever saw it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made import behaviour, case, cell

from ksem import store
from ksem.collected import Collected

CASES = [behaviour(case(params={"n": (1, 2)}))]


def message(number: int, status: str = "observed", **more: Any) -> dict[str, Any]:
    return {"column": "debian-6.12", "entry": tuple(store.entry(cell({"is": "so"}, {"n": number}, status=status), ())), **more}


def head(accelerator: str) -> dict[str, Any]:
    return {"release": "6.12.1", "environment": {"accelerator": accelerator}, "remark": ""}


def test_two_workers_in_one_environment_are_one_column(tmp_path: Path) -> None:
    collected = Collected()
    for number in (1, 2):
        collected.take(message(number, head=head("kvm")))
    assert collected.problems == {}
    assert collected.write(tmp_path, CASES) == []
    assert [one.params["n"] for one in store.read(tmp_path)[0].cells] == [1, 2]


def test_what_was_seen_in_another_environment_is_left_out_and_told(tmp_path: Path) -> None:
    collected = Collected()
    collected.take(message(1, head=head("kvm")))
    collected.take(message(2, head=head("tcg")))
    assert "1 cells were seen in another environment" in str(collected.problems["debian-6.12"])
    collected.write(tmp_path, CASES)
    [one] = store.read(tmp_path)
    assert (one.environment, [each.params["n"] for each in one.cells]) == ({"accelerator": "tcg"}, [2])


def test_a_column_that_never_came_up_is_no_evidence() -> None:
    collected = Collected()
    collected.take(message(1, status="lost"))
    collected.lose_what_never_came_up()
    assert not collected.has_cells
    assert collected.problems["debian-6.12"].lost
