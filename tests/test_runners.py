"""The runners of a process: one has its turn, others may start their machines meanwhile, and none is left.

Guards: a machine that is started and forgotten takes memory for as long as the run lasts, or longer.
"""

from __future__ import annotations

from typing import Any, cast

import pytest

from ksem.model import Column
from ksem.runner import Runner
from ksem.runners import Runners

ONE, OTHER = (Column(name, "qemu", "debian:6.12") for name in ("one", "other"))


class Noted:
    """A runner that notes what becomes of it."""

    def __init__(self, column: Column, notes: list[str]) -> None:
        self.column, self.notes = column, notes
        notes.append(f"{column.name} made")

    def begin(self) -> None:
        self.notes.append(f"{self.column.name} begun")

    def close(self) -> None:
        self.notes.append(f"{self.column.name} closed")


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def runners(notes: list[str]) -> Runners:
    return Runners(lambda column: cast(Any, Noted(column, notes)))


def test_one_has_its_turn_at_a_time(runners: Runners, notes: list[str]) -> None:
    first = runners.of(ONE)
    assert runners.of(ONE) is first
    runners.of(OTHER)
    runners.end()
    assert notes == ["one made", "one closed", "other made", "other closed"]


def test_what_has_begun_is_there_when_its_turn_comes(runners: Runners, notes: list[str]) -> None:
    runners.begin(OTHER)
    runners.begin(OTHER)
    runners.of(ONE)
    runners.of(OTHER)
    assert notes == ["other made", "other begun", "one made", "one closed"]


def test_all_that_have_begun_are_closed(runners: Runners, notes: list[str]) -> None:
    adopted: Any = Noted(ONE, notes)
    runners.adopt(cast(Runner, adopted))
    runners.begin(OTHER)
    assert runners.of(ONE) is adopted
    runners.close()
    runners.close()
    assert sorted(notes[3:]) == ["one closed", "other closed"]
