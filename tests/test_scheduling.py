"""Whole columns go to one worker each, and nothing is left undone when a worker dies.

Guards: a column that two workers share is booted twice; one that nobody takes over is missing from the matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from ksem.scheduling import ColumnScheduling

ITEMS = [f"cases/area/{case}.py::{column}[{number}]" for column in ("debian-7.3", "debian-5.10", "local")
         for case in ("one", "two") for number in (1, 2)]


class Node:
    """A worker that notes what it is given."""

    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.shutting_down = False
        self.given: list[str] = []

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.given += [ITEMS[index] for index in indices]

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.fixture
def scheduling() -> ColumnScheduling:
    """For two workers."""
    option = SimpleNamespace(loadscopereorder=True, tx=["2*popen"], debug=False)
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: option.tx)
    return ColumnScheduling(config, None)


def added(scheduling: ColumnScheduling) -> Node:
    """One more worker, which has collected everything."""
    node: Any = Node()
    scheduling.add_node(node)
    scheduling.add_node_collection(node, ITEMS)
    if scheduling.collection_is_completed:
        scheduling.schedule()
    return node  # type: ignore[no-any-return]


def done(scheduling: ColumnScheduling, node: Any, items: Sequence[str]) -> None:
    """A worker tells that it is done with some items."""
    for item in items:
        scheduling.mark_test_complete(node, ITEMS.index(item))


def test_each_worker_gets_a_column_and_the_one_that_is_first_gets_another(scheduling: ColumnScheduling) -> None:
    first, second = added(scheduling), added(scheduling)
    assert (first.given, second.given) == (ITEMS[:4], ITEMS[4:8])
    done(scheduling, second, ITEMS[4:7])
    assert second.given == ITEMS[4:]
    done(scheduling, first, ITEMS[:4])
    done(scheduling, second, ITEMS[7:])
    assert first.given == ITEMS[:4]
    assert scheduling.tests_finished
    assert not scheduling.has_pending
    assert first.shutting_down


def test_what_a_dead_worker_had_left_is_taken_over_and_no_more(scheduling: ColumnScheduling) -> None:
    first, second = added(scheduling), added(scheduling)
    done(scheduling, first, ITEMS[:4])
    done(scheduling, second, ITEMS[4:8])
    assert (first.given[4:], second.given[4:]) == (ITEMS[8:], [])
    done(scheduling, first, ITEMS[8:9])
    scheduling.started.add(ITEMS[9])
    assert scheduling.remove_node(first) == ITEMS[9]
    third = added(scheduling)
    assert third.given == ITEMS[9:]
    done(scheduling, third, ITEMS[9:])
    assert scheduling.tests_finished


def test_only_what_a_dead_worker_was_at_is_blamed_and_tried_once_more(scheduling: ColumnScheduling) -> None:
    first, second = added(scheduling), added(scheduling)
    assert scheduling.remove_node(first) is None
    third = added(scheduling)
    assert third.given == ITEMS[:4]
    scheduling.started |= set(ITEMS[:2])
    done(scheduling, third, ITEMS[:1])
    assert scheduling.remove_node(third) == ITEMS[1]
    fourth = added(scheduling)
    assert fourth.given == ITEMS[1:4]
    scheduling.started.add(ITEMS[1])
    assert scheduling.remove_node(fourth) == ITEMS[1]
    assert added(scheduling).given == ITEMS[2:4]
    assert second.given == ITEMS[4:8]


def test_workers_that_stay_take_over_what_was_given_out_already(scheduling: ColumnScheduling) -> None:
    scheduling.keeps_workers = True
    first, second = added(scheduling), added(scheduling)
    done(scheduling, first, ITEMS[:4])
    done(scheduling, first, ITEMS[8:])
    done(scheduling, second, ITEMS[4:7])
    assert not first.shutting_down
    assert scheduling.remove_node(second) is None
    assert first.given[-1:] == ITEMS[7:8]
    assert scheduling.left == ITEMS[7:8]


def test_nobody_waits_for_a_worker_that_will_not_come(scheduling: ColumnScheduling) -> None:
    first, lost = added(scheduling), Node()
    scheduling.add_node(lost)
    assert first.given == []
    scheduling.remove_node(lost)
    scheduling.expect_fewer(lost)
    assert first.given[:4] == ITEMS[:4]
