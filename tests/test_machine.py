"""The host's end of an agent: whatever the far side answers, or does not, becomes an answer or a lost machine.

Guards: a machine that died, hung or talks nonsense is never a verdict, and never a traceback of the host.
"""

from __future__ import annotations

import dataclasses
import errno
import importlib.util
import subprocess
import sys
from typing import Any

import pytest
from made import FarSide

from ksem import bootstrap
from ksem.conversation import MARGIN
from ksem.guest import wire
from ksem.guest.wire import Channel
from ksem.machine import Machine, Request, guest_modules
from ksem.model import Call, KsemError, Lost

READY = {"ready": wire.PROTOCOL, "magic": importlib.util.MAGIC_NUMBER.hex()}
OBSERVED = {"status": "observed", "observation": {"is": "so"}, "pids": {"12": "main"},
            "trace": [["main", "mnt:0", "write_file", ["/proc/12/uid_map", ""], 0, None]]}
NONSENSE: list[Any] = [[], None, 7, "text", {}, {"status": "perfect"}, {"unknown": ["run"]},
            {**OBSERVED, "trace": [["main"]]}, {**OBSERVED, "trace": [["main", "", "mkdir", ["a"], 0, None]]},
            {**OBSERVED, "trace": [["main", "", "mkdir", ["a"], 0, None]]}, {**OBSERVED, "trace": 3},
            *({**OBSERVED, "calls": calls} for calls in ([[1, 1, True, False, "7", ""]], [[0]], 7, [["0", 1, 0, 0, "", ""]]))]


def machine(*answers: Any) -> tuple[Machine, FarSide]:
    """A machine whose far side answers so, and whose kernel had last words."""
    far = FarSide(*answers)
    return Machine(far, lambda: "last words"), far


def request(flag: str = "ro", source: str = "text") -> Request:
    """A run of a case with a flag."""
    return Request("area.thing", source, {"flag": flag}, ("root",), 2.0)


def run(one: Machine, source: str = "text") -> Any:
    """Run a case on it."""
    return one.run(request(source=source))


def test_an_agent_is_sent_what_the_machine_did_not_come_with() -> None:
    one, far = machine(READY, {"started": True})
    one.start(1.0)
    assert {"ksem.guest.agent", "ksem.guest.lab"} <= set(far.sent[0]["load"])
    assert not {"ksem.guest.wire", "ksem.guest.serial", "ksem.guest.loader"} & set(far.sent[0]["load"])
    assert all(isinstance(code, list) for code in far.sent[0]["load"].values())


def test_another_python_is_sent_texts() -> None:
    one, far = machine({**READY, "magic": "00"}, {"started": True})
    one.start(1.0)
    assert far.sent[0]["load"] == guest_modules(compiled=False)
    assert all(isinstance(text, str) for text in far.sent[0]["load"].values())


def test_another_protocol_is_the_users_to_mend() -> None:
    with pytest.raises(KsemError, match="protocol 0"):
        machine({**READY, "ready": 0})[0].start(1.0)


def test_an_observation_comes_back_with_its_trace() -> None:
    one, far = machine({"loaded": 1}, OBSERVED)
    answer = run(one)
    assert (answer.status, answer.observation, answer.reason) == ("observed", {"is": "so"}, "")
    assert answer.trace == (r'["main", "mnt:0", "write_file", ["\"/proc/<main>/uid_map\"", "\"\""], "0"]',)
    assert far.sent == [{"needs": ["root"]}, {"load": {"cases.area.thing": "text"}}, {"run": {
        "case": "cases.area.thing", "params": {"flag": "ro"}, "deadline": 2.0}}]
    assert far.timeouts[-1] == 2.0 + MARGIN


def test_a_mutant_is_asked_for_and_the_calls_come_back() -> None:
    one, far = machine({"loaded": 1}, {**OBSERVED, "calls": [[0, 1, True, False, "7<9", "lab.file"]]})
    answer = one.run(dataclasses.replace(request(), mutant={"drop": (0,)}))
    assert answer.calls == (Call(0, 1, True, False, "7<9", "lab.file"),)
    assert far.sent[-1]["run"]["mutant"] == {"drop": (0,)}


def test_a_case_is_sent_once_and_again_when_it_was_edited() -> None:
    one, far = machine({"loaded": 1}, OBSERVED, OBSERVED, {"loaded": 1}, OBSERVED)
    run(one)
    run(one)
    run(one, "edited")
    assert [message["load"] for message in far.sent if "load" in message] == [
        {"cases.area.thing": "text"}, {"cases.area.thing": "edited"}]


def test_what_a_case_needs_is_asked_for_once_and_what_lacks_it_is_not_run() -> None:
    one, far = machine({"loaded": 1}, OBSERVED)
    lacking = Request("area.other", "text", {}, ("nothing",), 2.0)
    for _ in range(2):
        answer = one.run(lacking)
        assert (answer.status, answer.reason, answer.trace) == ("unsupported", "there is nothing", ())
    assert far.sent == [{"needs": ["nothing"]}]
    assert one.run(request(), lacking).status == "observed"
    assert one.run(lacking).status == "unsupported"


@pytest.mark.parametrize("status", ["unsupported", "broken"])
def test_what_was_not_observed_comes_back_with_its_reason(status: str) -> None:
    answer = run(machine({"loaded": 1}, {"status": status, "reason": "why", "traceback": "where", "trace": []})[0])
    assert (answer.status, answer.observation, answer.reason, answer.traceback, answer.trace) == (
        status, None, "why", "where", ())


@pytest.mark.parametrize("failure", [
    wire.Timeout("x"), wire.Closed("gone"), wire.WireError("noise"), OSError(5, "I/O error"), *NONSENSE,
])
def test_any_other_answer_is_a_lost_machine_with_its_last_words(failure: Any) -> None:
    with pytest.raises(Lost) as caught:
        run(machine({"loaded": 1}, failure)[0])
    assert caught.value.console == "last words"


def test_the_next_case_is_under_way_before_the_answer_to_the_first_is_given() -> None:
    one, far = machine({"loaded": 1}, {**OBSERVED, "trace": 3}, {"loaded": 1}, OBSERVED)
    with pytest.raises(Lost):
        one.run(request(), request("rw", "edited"))
    assert [next(iter(message)) for message in far.sent] == ["needs", "load", "run", "load", "run"]
    assert one.run(request("rw", "edited")).observation == {"is": "so"}
    assert len(far.sent) == 5
    assert one.ahead is None


def test_a_machine_that_dies_of_the_next_case_costs_the_next() -> None:
    one, _ = machine({"loaded": 1}, OBSERVED, wire.Closed("gone"))
    assert one.run(request(), request("rw")).status == "observed"
    with pytest.raises(Lost):
        one.run(request("rw"))


def test_a_machine_that_cannot_be_sent_the_next_case_costs_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(message: Any, timeout: float | None = None) -> None:
        if "run" in message and message["run"]["params"] == {"flag": "rw"}:
            raise wire.Timeout("full")
        told(message, timeout)

    one, far = machine({"loaded": 1}, OBSERVED)
    told = far.send
    monkeypatch.setattr(far, "send", send)
    assert one.run(request(), request("rw")).status == "observed"
    with pytest.raises(Lost, match="stopped listening"):
        one.run(request("rw"))


def test_an_answer_that_nobody_wants_any_more_is_no_other_cases() -> None:
    one, _ = machine({"loaded": 1}, OBSERVED, {**OBSERVED, "observation": {"is": "unwanted"}}, OBSERVED)
    one.run(request(), request("rw"))
    one.forget()
    assert run(one).observation == {"is": "so"}


@pytest.mark.parametrize("failure", [wire.Timeout("x"), wire.Closed("gone"), [], None])
def test_a_machine_that_does_not_come_up_is_lost(failure: Any) -> None:
    with pytest.raises(Lost):
        machine(failure)[0].start(1.0)


def test_stopping_a_machine_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(message: Any, timeout: float | None = None) -> None:
        raise BrokenPipeError

    one, far = machine()
    monkeypatch.setattr(far, "send", gone)
    one.stop()


def test_a_bare_python_becomes_an_agents_far_side_and_ends_with_its_line() -> None:
    process = subprocess.Popen([sys.executable, "-IS", "-c", bootstrap.program()], bufsize=0,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        ready = Channel(process.stdout.fileno(), process.stdin.fileno()).receive(30)
        process.stdin.close()
        assert process.wait(30) == 0
    assert ready["ready"] == wire.PROTOCOL
    assert ready["python"] == list(sys.version_info[:3])


def test_a_module_that_the_kernel_may_take_another_time_is_a_loss() -> None:
    """A machine is not kept so: all that are restored from it would lack the filesystem."""
    machine({"modules": {"/ksem/modules/xor.ko": 0, "/ksem/modules/xfs.ko": errno.ENODEV}})[0].load_modules(1.0)
    one, _ = machine({"modules": {"/ksem/modules/xor.ko": 0, "/ksem/modules/xfs.ko": errno.ENOMEM}})
    with pytest.raises(Lost, match=r"the kernel did not take /ksem/modules/xfs.ko: ENOMEM"):
        one.load_modules(1.0)
