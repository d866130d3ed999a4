"""Which questions are put to the calls of a case, and what survives.

Guards: a call that nobody needs, and a result that nobody looks at, must be told; what is clean-up, or a helper's, must be
blamed on no case; and what a mutant leaves behind must not pass for another one's death.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from ksem.model import Answer, Call
from ksem.mutating import DROP, FLIP, WORD, Measured, examined, measured


def made(*calls: tuple[str, str, dict[str, Any]]) -> tuple[list[Call], list[Any]]:
    """Calls as (name, result, how they differ from one that must succeed and tells nothing), with their trace."""
    found, trace = [], []
    for number, (name, result, given) in enumerate(calls):
        found.append(Call(**{"event": number, "unit": number, "must": True, "tells": False, "lines": str(number), "helper": "",
                             **given}))
        trace.append(["main", "mnt:1 user:0", name, [], result])
    return found, trace


READ = ("statx", "{}", {"tells": True})
ATTEMPT = ("chmod", "0", {"must": False})
FAILS = ("chmod", "EPERM", {"must": False})


def asked(*calls: tuple[str, str, dict[str, Any]], alive: Iterable[tuple[str, int]] = ()) -> Any:
    """The questions as they are put, each with the numbers of its calls, and what came of it. alive: what survives."""
    questions = []

    def survives(kind: str, numbers: Iterable[int]) -> bool:
        questions.append((kind, tuple(numbers)))
        return all((kind.partition(" ")[0], number) in alive for number in questions[-1][1])

    return questions, [(one.kind, one.call, one.survived) for one in examined(*made(*calls), survives)]


def test_what_must_succeed_is_dropped() -> None:
    questions, found = asked(("mkdir", "0", {}), READ)
    assert questions == [(DROP, (0,)), (FLIP, (1,))]
    assert found == [(DROP, "mkdir()", False), (FLIP, "statx()", False)]
    assert asked(("mkdir", "0", {}), READ, alive=[(DROP, 0)])[1] == [(DROP, "mkdir()", True), (FLIP, "statx()", False)]


def test_data_that_nobody_looks_at_survives_only_if_nothing_comes_of_the_call_either() -> None:
    """A file is read for its access time; to ask for its status changes nothing."""
    read = ("read_file", "text", {"tells": True})
    assert asked(read, alive=[(FLIP, 0)]) == ([(FLIP, (0,)), (DROP, (0,))], [(FLIP, "read_file()", False)])
    assert asked(read, alive=[(FLIP, 0), (DROP, 0)])[1] == [(FLIP, "read_file()", True)]
    assert asked(READ, alive=[(FLIP, 0)]) == ([(FLIP, (0,))], [(FLIP, "statx()", True)])


def test_an_outcome_that_is_looked_at_and_never_read_back_is_the_kernels_word() -> None:
    assert asked(ATTEMPT, alive=[(DROP, 0)])[1] == [(FLIP, "chmod()", False), (WORD, "chmod()", True)]
    assert asked(ATTEMPT)[1] == [(FLIP, "chmod()", False), (WORD, "chmod()", False)]


def test_an_outcome_that_nobody_looks_at_survives_only_if_nothing_comes_of_the_call_either() -> None:
    assert asked(ATTEMPT, alive=[(DROP, 0), (FLIP, 0)])[1] == [(FLIP, "chmod()", True), (WORD, "chmod()", False)]
    assert asked(ATTEMPT, alive=[(FLIP, 0)])[1] == [(FLIP, "chmod()", False), (WORD, "chmod()", False)]
    assert asked(FAILS, alive=[(FLIP, 0)])[1] == [(FLIP, "chmod()", True), (WORD, "chmod()", False)]


def test_a_success_becomes_one_errno_after_another_until_that_is_noticed() -> None:
    assert asked(ATTEMPT)[0] == [(FLIP, (0,)), (DROP, (0,))]
    kinds = [FLIP, f"{FLIP} to EROFS", f"{FLIP} to ENOENT", DROP]
    assert asked(ATTEMPT, alive=[(FLIP, 0)])[0] == [(kind, (0,)) for kind in kinds]
    assert asked(FAILS, alive=[(FLIP, 0)])[0] == [(FLIP, (0,))]


def test_what_failed_anyway_is_not_dropped() -> None:
    assert asked(FAILS)[0] == [(FLIP, (0,))]


def test_nothing_is_asked_of_what_cleans_up() -> None:
    assert asked(("close", "0", {}), READ, ("umount2", "0", {}), ("close", "0", {}))[0] == [(FLIP, (1,))]
    assert asked(("mkdir", "0", {}))[0] == []


PARTS = [("prctl", "0", {"unit": 7, "helper": "lab.become", "lines": "3"}),
         ("prctl", "0", {"unit": 7, "helper": "lab.become", "lines": "3"})]


def test_a_helper_is_one_step_of_its_case_and_its_calls_are_its_own() -> None:
    calls = made(*PARTS, READ)
    found = list(examined(*calls, lambda kind, numbers: tuple(numbers) == (1,)))
    assert [(one.kind, one.call, one.place, one.site, one.survived) for one in found] == [
        (DROP, "lab.become", "3", "", False), (DROP, "prctl()", "lab.become", "lab.become prctl 1", False),
        (DROP, "prctl()", "lab.become", "lab.become prctl 2", True), (FLIP, "statx()", "2", "", False)]
    assert len(list(examined(*calls, lambda *_: False, {"lab.become prctl 1"}))) == 3
    assert found[0].line == "all 2 calls of lab.become, the first main: prctl() = 0"


class Machine:
    """Runs a case of one call that may be dropped; spoilt by a mutant, it answers otherwise until it is renewed."""

    def __init__(self, *, spoils: bool, spoilt: bool = False) -> None:
        self.spoils, self.spoilt, self.renewed = spoils, spoilt, 0
        calls, trace = made(("mkdir", "0", {}), ("rmdir", "0", {}), READ)
        self.calls, self.trace = tuple(calls), tuple(json.dumps(one) for one in trace)

    def run(self, mutant: Any, _: float | None) -> Answer:
        seen = {"is": "not" if self.spoilt or mutant.get(DROP) == (0,) or FLIP in mutant else "so"}
        self.spoilt |= self.spoils and mutant.get(DROP) == (0,)
        return Answer("observed", seen, trace=self.trace, calls=self.calls)

    def renew(self) -> None:
        self.spoilt = False
        self.renewed += 1

    def measured(self) -> Measured:
        return measured(self.run, self.renew, lambda answer: answer.observation == {"is": "so"}, set())


@pytest.mark.parametrize(("machine", "renewed"), [
    (Machine(spoils=False), 0), (Machine(spoils=False, spoilt=True), 1), (Machine(spoils=True), 2)])
def test_what_a_mutant_leaves_behind_kills_no_other(machine: Machine, renewed: int) -> None:
    found = machine.measured()
    assert (found.mutants, found.killed, machine.renewed) == (3, 2, renewed)
    assert [one.call for one in found.findings if one.survived] == ["rmdir()"]
    assert Measured.of(json.loads(json.dumps(found))) == found


def test_a_cell_without_an_observation_has_no_mutants() -> None:
    found = measured(lambda *_: Answer("unsupported", reason="no such call"), lambda: None, lambda _: True, set())
    assert found == Measured(reason="unsupported: no such call")
    assert measured(lambda *_: None, lambda: None, lambda _: True, set()).reason == "lost"
