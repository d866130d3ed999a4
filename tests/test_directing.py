"""Directors: one that was started ahead is the one that is taken, none is left, and what is handed to it arrives.

Guards: a run starts its director before it knows for which machine. That they direct is tried on real machines, in test_vm.py.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ksem import directing
from ksem.guest import wire
from ksem.guest.executor import SIZE
from ksem.guest.outside import Outside
from ksem.guest.proxy import MAILBOX, REST, TURN
from ksem.machine import Machine
from ksem.model import Lost


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The agents that were started."""
    found: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: object, **more: object) -> None:
            super().__init__(*arguments, **more)  # type: ignore[call-overload]
            found.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return found


@pytest.fixture
def ways() -> Iterator[Mapping[str, int]]:
    """To a machine that is gone: nobody has the other end of its bell."""
    memory, (bell, ringing), (gate, passing) = os.memfd_create("shared"), os.pipe(), os.pipe()
    os.close(ringing)
    os.truncate(memory, SIZE)
    os.set_blocking(gate, False)
    made = {"memory": memory, "bell": bell, "gate": gate, "passing": passing}
    yield made
    for one in made.values():
        os.close(one)


def machine() -> Machine:
    return Machine(wire.Channel(-1, -1), lambda: "")


def test_the_one_that_was_started_ahead_is_taken_and_no_other_twice(started: list[subprocess.Popen[bytes]],
                                                                    ways: Mapping[str, int], tmp_path: Path) -> None:
    with directing.ahead():
        assert len(started) == 1
        with directing.director(machine(), ways, {}, tmp_path / "log"):
            assert len(started) == 1
            with directing.director(machine(), ways, {}, tmp_path / "log"):
                assert len(started) == 2
        # It ended with its machine.
        assert [one.returncode for one in started] == [0, 0]
    with directing.director(machine(), ways, {}, tmp_path / "log"):
        assert len(started) == 3


def test_one_that_nobody_takes_ends(started: list[subprocess.Popen[bytes]]) -> None:
    with directing.ahead():
        pass
    assert [one.returncode for one in started] == [0]
    with pytest.raises(KeyboardInterrupt), directing.ahead():
        raise KeyboardInterrupt
    assert [one.returncode for one in started] == [0, 0]


def test_what_it_says_is_in_the_log_of_its_machine(ways: Mapping[str, int], tmp_path: Path,
                                                  capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    with (directing.ahead(), directing.director(machine(), ways, {}, log) as direct,
          pytest.raises(Lost, match="the director did not answer")):
        direct()()
    assert "the machine is gone" in log.read_text()
    assert capfd.readouterr() == ("", "")


def test_what_somebody_did_to_one_is_told(started: list[subprocess.Popen[bytes]], ways: Mapping[str, int],
                                          tmp_path: Path) -> None:
    """It is not that the machine hangs."""
    bell, ringing = os.pipe()
    made = machine()
    with (open(bell, "rb"), open(ringing, "wb"),
          directing.director(made, {**ways, "bell": bell}, {}, tmp_path / "log") as direct):
        direct()
        assert made.director() == ""
        os.kill(started[0].pid, signal.SIGSTOP)
        os.waitid(os.P_PID, started[0].pid, os.WSTOPPED | os.WNOWAIT)
        assert made.director() == "the director was stopped"
        os.kill(started[0].pid, signal.SIGKILL)
        assert made.director() == "the director was killed by SIGKILL"


def test_what_was_written_before_the_gate_was_one_does_not_hold_a_machine() -> None:
    """QEMU has what it writes put together until it is told otherwise: it is taken as a whole, or the next would wait."""
    gate, passing = os.pipe()
    try:
        os.set_blocking(gate, False)
        with mmap.mmap(-1, SIZE) as memory:
            outside = Outside(memory, -1, gate, passing)
            for _ in range(5):
                os.write(passing, b"!")
            outside._tell(TURN)
            assert memory[MAILBOX] == TURN
            with pytest.raises(BlockingIOError):
                os.read(gate, 1)
            # Nor need anything be there.
            outside._tell(REST)
            assert memory[MAILBOX] == REST
    finally:
        os.close(gate)
        os.close(passing)
