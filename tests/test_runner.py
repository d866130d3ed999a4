"""Runs on a column's machine: what is under way there, and to which case the loss of a machine is due.

Guards: while the host deals with one answer the machine is at the next case. Whatever happens then, a cell says what its own
case did, and a case that another one took down is run again.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made import FarSide, behaviour, case

from ksem import backends, kernels
from ksem.backends import Coming, Running
from ksem.guest import wire
from ksem.machine import Machine
from ksem.model import Column, Kernel, KsemError, Lost, Unavailable
from ksem.runner import Runner, check, longest_first

STARTED = [{"ready": wire.PROTOCOL, "magic": importlib.util.MAGIC_NUMBER.hex()}, {"started": True},
           {"release": "6.12.1", "version": "#1"}, {"loaded": 1}]
GONE = wire.Closed("gone")
NUMBERED = behaviour(case(params={"n": (1, 2, 3)}))


def seen(number: int) -> dict[str, Any]:
    """The answer of a run that saw a number."""
    return {"status": "observed", "observation": {"n": number}}


def given_at_once(running: Running) -> Generator[None, None, Running]:
    """The steps of a machine that is there."""
    yield
    return running


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> list[FarSide]:
    """What the machines that are started answer, one after the other; each is taken out when it starts."""
    prepared: list[FarSide] = []

    @contextlib.contextmanager
    def begun(*given: Any) -> Iterator[Coming]:
        running = Machine(prepared.pop(0), lambda: "last words")
        running.start(1.0)
        yield Coming(given_at_once(Running(running, {})))

    monkeypatch.setattr(kernels, "source_of", lambda column: SimpleNamespace(resolve=lambda *given: Kernel("6.12.1")))
    monkeypatch.setattr(backends, "backend", lambda name: SimpleNamespace(begun=begun, PRISTINE=True))
    return prepared


def statuses(runner: Runner, *numbers: int) -> list[tuple[str, Any]]:
    """Status and observation of runs in a row, each of which knows what comes next."""
    found = []
    for number, following in zip(numbers, [*numbers[1:], None], strict=True):
        ahead = (NUMBERED, {"n": following}) if following else None
        cell, _ = runner.run(NUMBERED, {"n": number}, ahead)
        found.append((cell.status, cell.observation and cell.observation["n"]))
    return found


def test_columns_start_with_what_is_not_known_and_then_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    releases = {"a": "6.9", "b": "6.12.3", "c": "7.3-rc1", "d": "-"}
    monkeypatch.setattr(kernels, "source_of", lambda column: SimpleNamespace(
        at_hand=lambda column: Kernel(releases[column.name]) if column.name in releases else None))
    columns = [Column(name, "qemu", "debian:x") for name in "abcde"]
    assert "".join(column.name for column in longest_first(columns)) in ("edcba", "decba")


def checked(monkeypatch: pytest.MonkeyPatch, **problems: KsemError | None) -> None:
    """`check` of columns by these names, whose backends complain so."""
    def complain(column: Column) -> None:
        problem = problems[column.name]
        if problem:
            raise problem

    monkeypatch.setattr(kernels, "source_of", lambda column: SimpleNamespace(check=lambda column: None))
    monkeypatch.setattr(backends, "backend", lambda name: SimpleNamespace(check=complain))
    check(Column(name, "qemu", "debian:x") for name in problems)


def test_a_column_that_cannot_be_had_keeps_no_other_from_being_run(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Unavailable("vagrant is missing")
    checked(monkeypatch, a=gone, b=None)
    with pytest.raises(Unavailable, match="vagrant is missing"):
        checked(monkeypatch, a=gone, b=Unavailable("qemu is missing"))
    with pytest.raises(KsemError, match="a name that is wrong"):
        checked(monkeypatch, a=gone, b=KsemError("a name that is wrong"), c=None)


@pytest.fixture
def said() -> list[str]:
    """What the runner told its user."""
    return []


@pytest.fixture
def runner(tmp_path: Path, said: list[str], request: pytest.FixtureRequest) -> Iterator[Runner]:
    """A runner; with the parameter `isolate` one that gives each case a machine."""
    column = Column("debian-6.12", "qemu", "debian:6.12")
    made = Runner(column, [NUMBERED], tmp_path, said.append, isolate=getattr(request, "param", "") == "isolate")
    with contextlib.closing(made):
        yield made


def test_one_machine_runs_all_and_each_once(runner: Runner, machines: list[FarSide]) -> None:
    far = FarSide(*STARTED, seen(1), seen(2), seen(3))
    machines.append(far)
    assert statuses(runner, 1, 2, 3) == [("observed", 1), ("observed", 2), ("observed", 3)]
    assert [message["run"]["params"]["n"] for message in far.sent if "run" in message] == [1, 2, 3]


def test_a_case_that_takes_its_machine_down_costs_itself_alone(runner: Runner, machines: list[FarSide]) -> None:
    machines += [FarSide(*STARTED, seen(1), GONE), FarSide(*STARTED, GONE), FarSide(*STARTED, seen(3))]
    assert statuses(runner, 1, 2, 3) == [("observed", 1), ("lost", None), ("observed", 3)]


def test_nonsense_costs_its_case_and_what_was_under_way_is_run_again(runner: Runner, machines: list[FarSide]) -> None:
    nonsense = {"status": "perfect"}
    machines += [FarSide(*STARTED, nonsense), FarSide(*STARTED, nonsense), FarSide(*STARTED, seen(2), seen(3))]
    assert statuses(runner, 1, 2, 3) == [("lost", None), ("observed", 2), ("observed", 3)]


def test_a_case_that_is_lost_once_and_answers_then_is_flaky_and_what_follows_goes_on(runner: Runner, machines: list[FarSide],
                                                                                    said: list[str]) -> None:
    machines += [FarSide(*STARTED, seen(1), GONE), FarSide(*STARTED, seen(2), seen(3))]
    runner.run(NUMBERED, {"n": 1}, (NUMBERED, {"n": 2}))
    cell, trace = runner.run(NUMBERED, {"n": 2}, (NUMBERED, {"n": 3}))
    assert (cell.status, cell.observation, trace) == ("flaky", None, ())
    assert cell.reason == ("observed at the second try, lost at the first: the machine did not answer: gone; "
                           "the console ended with:\nlast words")
    assert statuses(runner, 3) == [("observed", 3)]
    assert [line for line in said if "lost" in line] == [
        "debian-6.12: lost in area.thing: the machine did not answer: gone; trying again on another machine"]


def test_a_case_is_lost_when_there_is_no_other_machine_for_it(runner: Runner, machines: list[FarSide]) -> None:
    machines += [FarSide(*STARTED, seen(1), GONE), FarSide(GONE)]
    assert statuses(runner, 1, 2) == [("observed", 1), ("lost", None)]
    with pytest.raises(Unavailable):
        statuses(runner, 3)


@pytest.mark.parametrize("runner", ["isolate"], indirect=True)
def test_isolated_runs_have_a_machine_each(runner: Runner, machines: list[FarSide]) -> None:
    far = [FarSide(*STARTED, seen(number)) for number in (1, 2, 3)]
    machines += far
    assert statuses(runner, 1, 2, 3) == [("observed", 1), ("observed", 2), ("observed", 3)]
    assert [sum("run" in message for message in one.sent) for one in far] == [1, 1, 1]


@pytest.mark.parametrize("runner", ["isolate"], indirect=True)
def test_the_same_machine_anew_is_not_told_again(runner: Runner, machines: list[FarSide]) -> None:
    machines += [FarSide(*STARTED, seen(1)), FarSide(*STARTED, seen(2))]
    statuses(runner, 1)
    known = runner.evidence
    statuses(runner, 2)
    assert runner.evidence is known


@pytest.mark.parametrize("runner", ["isolate"], indirect=True)
def test_a_machine_that_is_isolated_is_lost_alone(runner: Runner, machines: list[FarSide]) -> None:
    machines += [FarSide(*STARTED, seen(1)), FarSide(*STARTED, GONE), FarSide(*STARTED, seen(2)), FarSide(*STARTED, seen(3))]
    assert statuses(runner, 1, 2, 3) == [("observed", 1), ("flaky", None), ("observed", 3)]


def test_a_case_that_dirties_its_kernel_has_it_to_itself(runner: Runner, machines: list[FarSide]) -> None:
    """Neither is it run where others were, nor are others run where it was, or at the same time."""
    dirty = behaviour(case(params={"n": (1, 2, 3)}, needs=("alone",), dirties_kernel=True), "area.dirty")
    far = [FarSide(*STARTED, *map(seen, numbers)) for numbers in ((1, 2), (3,), (4,), (5, 6))]
    machines += far
    order = [(NUMBERED, 1), (NUMBERED, 2), (dirty, 3), (dirty, 4), (NUMBERED, 5), (NUMBERED, 6)]
    found = []
    for (one, number), following in zip(order, [*order[1:], None], strict=True):
        cell, _ = runner.run(one, {"n": number}, following and (following[0], {"n": following[1]}))
        found.append((cell.status, cell.observation and cell.observation["n"]))
    assert found == [("observed", number) for number in range(1, 7)]
    assert [[message["run"]["params"]["n"] for message in one.sent if "run" in message] for one in far] == [
        [1, 2], [3], [4], [5, 6]]


def test_what_was_under_way_and_is_not_run_leaves_nothing(runner: Runner, machines: list[FarSide]) -> None:
    machines += [FarSide(*STARTED, seen(1), seen(2), seen(3))]
    runner.run(NUMBERED, {"n": 1}, (NUMBERED, {"n": 2}))
    assert statuses(runner, 3) == [("observed", 3)]


def test_what_was_under_way_and_is_not_run_costs_no_other_case(runner: Runner, machines: list[FarSide]) -> None:
    machines += [FarSide(*STARTED, seen(1), GONE), FarSide(*STARTED, seen(3))]
    runner.run(NUMBERED, {"n": 1}, (NUMBERED, {"n": 2}))
    assert statuses(runner, 3) == [("observed", 3)]


def failing(monkeypatch: pytest.MonkeyPatch, before: Exception | None, after: Exception | None) -> None:
    """A backend that fails when it starts a machine that sees 1, or when it ends it."""
    @contextlib.contextmanager
    def begun(*given: Any) -> Iterator[Coming]:
        if before:
            raise before
        running = Machine(FarSide(*STARTED, seen(1)), lambda: "last words")
        running.start(1.0)
        yield Coming(given_at_once(Running(running, {})))
        if after:
            raise after

    monkeypatch.setattr(kernels, "source_of", lambda column: SimpleNamespace(resolve=lambda *given: Kernel("6.12.1")))
    monkeypatch.setattr(backends, "backend", lambda name: SimpleNamespace(begun=begun, PRISTINE=True))


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/cache/kernel")


def test_a_disk_that_is_full_is_a_column_that_cannot_be_had(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, FULL, None)
    with pytest.raises(Unavailable, match=r"^debian-6\.12: /cache/kernel: No space left on device$"):
        statuses(runner, 1)


@pytest.mark.parametrize(("problem", "said"), [(Lost("vagrant destroy failed"), "vagrant destroy failed"),
                                               (FULL, "/cache/kernel: No space left on device")])
def test_a_machine_that_cannot_be_ended_takes_nothing_of_what_it_showed(problem: Exception, said: str, tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, None, problem)
    told: list[str] = []
    runner = Runner(Column("debian-6.12", "qemu", "debian:6.12"), [NUMBERED], tmp_path, told.append)
    assert statuses(runner, 1) == [("observed", 1)]
    runner.close()
    assert told == [f"debian-6.12: not taken down: {said}"]


@pytest.fixture
def kernels_there(monkeypatch: pytest.MonkeyPatch, machines: list[FarSide]) -> dict[str, Kernel | None]:
    """What kernel is at hand, and what there is once the archive was asked."""
    there: dict[str, Kernel | None] = {"at hand": Kernel("6.12.1"), "found": Kernel("6.12.1")}
    monkeypatch.setattr(kernels, "source_of", lambda column: SimpleNamespace(
        at_hand=lambda *given: there["at hand"], resolve=lambda *given: there["found"]))
    return there


def test_a_machine_that_was_begun_is_the_one_that_runs(runner: Runner, machines: list[FarSide],
                                                       kernels_there: dict[str, Kernel | None]) -> None:
    machines += [FarSide(*STARTED, seen(1))]
    runner.begin()
    assert machines == []
    assert statuses(runner, 1) == [("observed", 1)]


@pytest.mark.parametrize(("at_hand", "begun"), [("6.12.0", 1), (None, 0)])
def test_a_newer_kernel_than_was_at_hand_is_the_one_that_runs(runner: Runner, machines: list[FarSide], at_hand: str | None,
                                                              begun: int, kernels_there: dict[str, Kernel | None]) -> None:
    kernels_there["at hand"] = Kernel(at_hand) if at_hand else None
    machines += [FarSide(*STARTED) for _ in range(begun)] + [FarSide(*STARTED, seen(1))]
    runner.begin()
    assert len(machines) == 1
    assert statuses(runner, 1) == [("observed", 1)]


def test_what_cannot_begin_is_told_by_the_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, FULL, None)
    there = SimpleNamespace(at_hand=lambda *given: Kernel("6.12.1"), resolve=lambda *given: Kernel("6.12.1"))
    monkeypatch.setattr(kernels, "source_of", lambda column: there)
    told: list[str] = []
    runner = Runner(Column("debian-6.12", "qemu", "debian:6.12"), [NUMBERED], tmp_path, told.append)
    runner.begin()
    assert told == []
    with pytest.raises(Unavailable, match="No space left on device"):
        statuses(runner, 1)


def test_a_mistake_of_ours_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was an error without a word, below which the matrix showed what was seen of the column before."""
    failing(monkeypatch, ZeroDivisionError("by zero"), None)
    there = SimpleNamespace(at_hand=lambda *given: Kernel("6.12.1"), resolve=lambda *given: Kernel("6.12.1"))
    monkeypatch.setattr(kernels, "source_of", lambda column: there)
    runner = Runner(Column("debian-6.12", "qemu", "debian:6.12"), [NUMBERED], tmp_path, print)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"^debian-6\.12: cannot be started: ZeroDivisionError: by zero$"):
            statuses(runner, 1)


def test_a_machine_that_was_begun_and_never_runs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, None, Lost("it was there"))
    monkeypatch.setattr(kernels, "source_of", lambda column: SimpleNamespace(at_hand=lambda *given: Kernel("6.12.1")))
    told: list[str] = []
    runner = Runner(Column("debian-6.12", "qemu", "debian:6.12"), [NUMBERED], tmp_path, told.append)
    runner.begin()
    runner.close()
    assert told == ["debian-6.12: not taken down: it was there"]


def test_what_interrupts_a_step_is_not_the_machines() -> None:
    def steps() -> Generator[None, None, Running]:
        yield
        raise KeyboardInterrupt

    coming = Coming(steps())
    assert coming.step()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            coming.running()
