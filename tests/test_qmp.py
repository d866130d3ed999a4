"""QEMU's monitor: an answer is its command's, an event is kept until it is asked for, and nothing is waited for in vain."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ksem import qmp
from ksem.qmp import Monitor, MonitorError


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, Monitor]]:
    """QEMU's end of a conversation, and ours, which has little patience."""
    monkeypatch.setattr(qmp, "PATIENCE", 0.2)
    ours, theirs = socket.socketpair()
    theirs.settimeout(5.0)
    with ours, theirs:
        yield theirs, Monitor(ours)


@pytest.fixture
def far(ends: tuple[socket.socket, Monitor]) -> socket.socket:
    return ends[0]


@pytest.fixture
def monitor(ends: tuple[socket.socket, Monitor]) -> Monitor:
    return ends[1]


def say(far: socket.socket, *messages: Any) -> None:
    far.sendall(b"".join(json.dumps(message).encode() + b"\r\n" for message in messages))


def test_a_conversation_begins_with_its_greeting(far: socket.socket, monitor: Monitor) -> None:
    monitor.begin()
    say(far, {"QMP": {"version": {}}}, {"return": {}})
    monitor.greet()
    assert json.loads(far.recv(1000)) == {"execute": "qmp_capabilities", "arguments": {}}


def test_what_it_is_told_before_it_greets_is_answered_when_it_does(far: socket.socket, monitor: Monitor) -> None:
    monitor.begin()
    monitor.tell("migrate-incoming", {"uri": "fd:5"})
    say(far, {"QMP": {}}, {"return": {}}, {"return": {}}, {"event": "RESUME"}, {"return": {"status": "running"}})
    monitor.greet()
    assert [json.loads(line)["execute"] for line in far.recv(1000).splitlines()] == ["qmp_capabilities", "migrate-incoming"]
    assert monitor.ask("query-status") == {"status": "running"}
    assert monitor.event("RESUME") == {}


def test_what_it_was_told_and_refuses_is_named(far: socket.socket, monitor: Monitor) -> None:
    monitor.tell("migrate-incoming")
    monitor.tell("cont")
    say(far, {"error": {"class": "GenericError", "desc": "no such file"}})
    with pytest.raises(MonitorError, match="refuses migrate-incoming: no such file"):
        monitor.ask("query-status")


def test_events_between_wait_until_they_are_asked_for(far: socket.socket, monitor: Monitor) -> None:
    say(far, {"event": "STOP"}, {"event": "MIGRATION", "data": {"status": "active"}}, {"return": {"status": "running"}},
        {"event": "MIGRATION", "data": {"status": "completed"}})
    assert monitor.ask("query-status") == {"status": "running"}
    assert [monitor.event("MIGRATION")["status"] for _ in range(2)] == ["active", "completed"]


def test_descriptors_go_along(far: socket.socket, monitor: Monitor) -> None:
    say(far, {"return": {}})
    with open(os.memfd_create("it"), "w+b") as file:
        monitor.ask("getfd", {"fdname": "it"}, [file.fileno()])
        text, descriptors, _, _ = socket.recv_fds(far, 1000, 2)
        os.write(descriptors[0], b"written")
        os.close(descriptors[0])
        assert os.pread(file.fileno(), 100, 0) == b"written"
    assert json.loads(text) == {"execute": "getfd", "arguments": {"fdname": "it"}}


def test_a_refusal_says_why(far: socket.socket, monitor: Monitor) -> None:
    say(far, {"error": {"class": "GenericError", "desc": "no such bus"}})
    with pytest.raises(MonitorError, match="refuses device_add: no such bus"):
        monitor.ask("device_add")


@pytest.mark.parametrize("text", [b"nonsense\n", b"[]\n", b"\xff\n", b""])
def test_what_is_no_answer_is_an_error(far: socket.socket, monitor: Monitor, text: bytes) -> None:
    far.sendall(text)
    far.shutdown(socket.SHUT_WR)
    with pytest.raises(MonitorError):
        monitor.ask("query-status")


def test_who_is_gone_is_an_error(far: socket.socket, monitor: Monitor) -> None:
    far.close()
    with pytest.raises(MonitorError):
        monitor.ask("query-status")


def test_who_is_gone_before_anything_is_said_ended_the_conversation(far: socket.socket, monitor: Monitor) -> None:
    far.close()
    monitor.begin()
    with pytest.raises(MonitorError, match="ended the conversation"):
        monitor.greet()


def test_nothing_is_waited_for_in_vain(far: socket.socket, monitor: Monitor) -> None:
    with pytest.raises(MonitorError, match="says nothing"):
        monitor.event("RESUME")


def test_a_line_that_does_not_end_is_not_kept(far: socket.socket, monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "LIMIT", 1000)
    far.sendall(b"x" * 100_000)
    with pytest.raises(MonitorError):
        monitor.ask("query-status")
