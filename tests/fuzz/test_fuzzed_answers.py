"""An agent that answers what it likes: each answer is understood or its machine is lost, and what is stored of it can be read.

Guards: answers come from the kernel under test. None of them is a path, is run, or fills the disk; none becomes evidence that
no command can read any more, or speaks to a terminal.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from pathlib import Path
from typing import Any

import project
from fuzzing import ODD, changed, check_brief, fuzzed, is_plain, spelled
from hypothesis import strategies as st
from made import FarSide

from ksem import catalog, matrix, mutating, renderers, store
from ksem.guest import wire
from ksem.guest.syscalls import SIGNATURES
from ksem.losses import described
from ksem.machine import ENVIRONMENT, TEXT, Machine, Request
from ksem.model import Cell, Evidence, KsemError, Lost
from ksem.runner import Runner

SOURCE = "def observe(lab):\n    return {}\n"
REQUEST = Request("made.case", SOURCE, {}, (), 1.0)
TRACE = [
    ["main", "mnt:0", "mkdir", ["a", 493], 0, None],
    ["main", "mnt:1 user:1", "mount", ["none", "a", "tmpfs", 4096, None], None, "EPERM"],
    ["child", "mnt:1", "capset", [{"effective": [1], "permitted": [], "inheritable": []}], 0, None],
    ["child", "mnt:1", "clone3", [131072], 77, None],
    ["child", "mnt:1", "setgroups", [1, [7]], 0, None],
    ["child", "mnt:1", "utimes", ["a", [1, 2]], 0, None],
    ["child", "mnt:1", "mount_setattr", [-100, "/proc/77/fd", 0, {"attr_set": 1, "userns_fd": 3}], 0, None],
    ["child", "mnt:1", "statmount", [{"mount": "/", "param": 3}, 0], {"a": [1, None]}, None],
    ["child", "mnt:1", "read_file", ["/proc/77/maps"], "text", None]]
ANSWER = {"status": "observed", "observation": {"is": ["so"]}, "trace": TRACE, "pids": {"77": "child"}, "reason": "none",
          "calls": [[0, 0, True, False, "12<30", ""], [1, 1, False, True, "13", "file<lab"], [2, 1, True, True, "", "file"]],
          "traceback": 'Traceback:\n  File "cases/made/case.py", line 1, in observe\nOSError: x'}
SURROUNDED = {"release": "6.12.1", "version": "#1 SMP Debian 6.12.1-1", "lsm": None, "sysctl": {"fs.x": "0"}, "options": {}}
GREETING = {"ready": wire.PROTOCOL, "magic": "a70d0d0a"}
CALLS = sorted(SIGNATURES)
BEHAVIOUR = catalog.behaviour(project.ROOT / "cases/availability/openat2.py", project.ROOT / "cases")


def _answers(base: Any) -> st.SearchStrategy[Any]:
    return (changed(base) | ODD).map(_heard)


def _heard(value: Any) -> Any:
    """What the wire makes of it: a value, or the error that it raises."""
    try:
        return wire._decoded(wire._stuffed(zlib.compress(spelled(value).encode("utf-8", "surrogatepass"))))
    except wire.WireError as error:
        return error


@st.composite
def _calls(draw: st.DrawFn) -> Any:
    """An answer whose trace has any call with any arguments."""
    event = ["main", "mnt:0", draw(st.sampled_from(CALLS)), draw(st.lists(ODD | st.just({"a": 1}) | st.just([1]), max_size=6)),
             draw(ODD), draw(st.none() | st.just("EPERM") | ODD)]
    return _heard({**ANSWER, "trace": [event]})


def _machine(*answers: Any) -> Machine:
    return Machine(FarSide(*answers), lambda: "\x1b[2Jthe last words")


def _checked(loss: Lost) -> None:
    told = described(loss)
    assert is_plain(told)
    assert len(told) < 2000


def _with(**fields: Any) -> dict[str, Any]:
    """An answer that has found something."""
    return {"answer": _heard({**ANSWER, **fields})}


LINE = '  File "cases/made/case.py", line %s, in observe\nOSError'


@fuzzed(_with(traceback=LINE % 99), _with(traceback=LINE % ("7" * 5000)), _with(observation="@nested@"),
        _with(observation=["a"]), _with(observation={"a": "@nan@"}), _with(observation={"a": "b" * 200_000}),
        _with(reason="a" * 70_000),
        _with(trace=[["main", "mnt:0", "utimes", ["a", []], 0, None]]), _with(trace=[[1, 2, "getuid", [], 0, None]]),
        _with(trace=[["main", "mnt:0", "sendmsg", [3, {"uid": 0.5, "gid": "\x1b"}, 0], 0, None]]),
        _with(trace=[TRACE[0]] * 6000), _with(trace=[["main", "mnt:0", "getuid", [], 0, {"a": 1}]]),
        _with(trace=[["main", "mnt:0", [], [], 0, None]]),
        _with(calls=[[0.5, 0, True, False, "1", ""]]), _with(calls=[[0, "9" * 5000, True, False, "1", ""]]),
        _with(calls={"a": 1}),
        _with(calls=[[0, 0, True, False, ["1"], "\x1b"]]),
        answer=_answers(ANSWER) | _calls(), few=80)
def test_an_answer_is_a_cell_or_a_loss(answer: Any) -> None:
    try:
        found = _machine({"loaded": 1}, answer).run(REQUEST)
    except Lost as loss:
        _checked(loss)
        return
    list(mutating.examined(found.calls, [json.loads(event) for event in found.trace], lambda kind, numbers: True))
    reason = f"{found.reason}\n{found.traceback}".strip()
    assert len(reason) < 3 * TEXT
    cell = Cell("availability.openat2", {}, found.status, found.observation, reason)
    with tempfile.TemporaryDirectory() as text:
        directory = Path(text)
        head = Evidence("debian-6.12", "6.12.1", {}, ())
        store.write_entries(directory, [(head, [store.entry(cell, found.trace)])], [cell.case], lambda entry: True)
        stored, = store.read(directory)
        kept, = stored.cells
        assert (kept.status, kept.observation, kept.reason) == (found.status, found.observation, reason)
        assert is_plain(renderers.renderer("terminal")(matrix.build([BEHAVIOUR], [stored])))


@fuzzed(greeting=_answers(GREETING), started=_answers({"started": True}), missing=_answers({"missing": None}))
def test_a_machine_that_greets_is_met_or_not(greeting: Any, started: Any, missing: Any) -> None:
    far = FarSide(greeting, started, {"loaded": 1}, ANSWER)
    machine = Machine(far, str)
    try:
        machine.start(1.0)
        far.answers.insert(0, missing)
        machine.run(REQUEST)
    except Lost as loss:
        _checked(loss)
    except KsemError as problem:
        check_brief(problem, 200)


@fuzzed({"told": {"release": "6.12"}}, {"told": {**SURROUNDED, "version": "Debian 1." + "1" * 200_000}},
        {"told": {**SURROUNDED, "release": "next"}}, {"told": {**SURROUNDED, "lsm": "a" * 200_000}}, told=_answers(SURROUNDED))
def test_surroundings_are_evidence_or_a_loss(told: Any) -> None:
    try:
        found = _machine(told).environment(())
    except Lost as loss:
        _checked(loss)
        return
    assert len(json.dumps(found)) < 10 * ENVIRONMENT
    try:
        release = Runner.release(found)
    except Lost as loss:
        _checked(loss)
        return
    with tempfile.TemporaryDirectory() as text:
        store.write(Path(text), [Evidence("debian-6.12", release, found, ())], [])
        matrix.build([], store.read(Path(text)))


@fuzzed({"greeting": {**GREETING, "ready": 10 ** 4000}}, {"greeting": {**GREETING, "magic": []}}, greeting=_answers(GREETING))
def test_a_far_side_is_met_or_lost(greeting: Any) -> None:
    try:
        _machine(greeting, {"started": True}).start(1.0)
    except Lost as loss:
        _checked(loss)
    except KsemError as problem:
        check_brief(problem, 200)
