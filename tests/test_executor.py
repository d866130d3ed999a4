"""Processes that are a loop of machine code make the calls that they are told to, each on its own account.

Guards: what a case believes to be another process, with its own credentials, descriptors and memory, must be one; a failing
call that must not fail ends its turn, or set-up that went wrong would go on on the machine itself.
"""

from __future__ import annotations

import os
import signal
import struct

import pytest

from ksem.backends import local
from ksem.guest import beside, executor, flags, process, syscalls
from ksem.guest.case import Broken
from ksem.guest.executor import CLOSE, NOT_MADE, OPEN, PRCTL, At, Earlier, Gone, Task
from ksem.guest.numbers import NUMBERS
from ksem.guest.process import Bench, Process
from ksem.guest.trace import Trace
from ksem.model import Column, Unavailable

GETPID, GETPPID, GETUID, CHDIR, GETCWD, DUP, PIPE2, UMASK = 39, 110, 102, 80, 79, 32, 293, 95
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def main(task: Task) -> Process:
    """The process as a case has it."""
    return Process("main", task, {"mnt": 0, "user": 0}, Bench(Trace()))


def test_a_process_is_a_child_of_its_own(task: Task) -> None:
    assert list(task.calls([(GETPID,), (GETPPID,)])) == [task.pid, os.getpid()]
    child = task.fork()
    assert list(child.calls([(GETPID,), (GETPPID,)])) == [child.pid, task.pid]


def test_a_process_has_no_descriptor_but_the_first_three(task: Task) -> None:
    with open(os.devnull) as ours:
        assert ours.fileno() > 2
        assert sorted(os.listdir(f"/proc/{task.pid}/fd")) == ["0", "1", "2"]


def test_no_signal_handler_of_the_interpreter_runs_in_it(task: Task) -> None:
    os.kill(task.pid, signal.SIGINT)
    assert task.calls([(GETPID,)])[0] == task.pid


def test_what_a_process_does_is_its_own(task: Task) -> None:
    child = task.fork()
    place = task.arena.put(b"/proc\0")
    assert child.calls([(CHDIR, place), (UMASK, 0o077)])[0] == 0
    room = task.arena.reserve(64)
    sizes = [one.calls([(GETCWD, room, 64)])[0] for one in (child, task)]
    assert sizes[0] == len("/proc") + 1
    assert sizes[1] == len(os.getcwd()) + 1


def test_a_first_argument_may_be_what_came_before(task: Task) -> None:
    path = task.arena.put(b"/dev/null\0")
    pair = task.arena.put(bytes(8))
    opened, again, closed, piped, closing = task.calls(
        [(OPEN, path, os.O_RDONLY, 0), (DUP, Earlier(0)), (CLOSE, Earlier(1)), (PIPE2, pair, 0), (CLOSE, At(pair))])
    assert (closed, piped, closing) == (0, 0, 0)
    assert 2 < opened < again
    assert struct.unpack("=ii", task.arena.take(pair, 8))[0] > opened


def test_a_call_that_must_succeed_ends_the_turn_when_it_fails(task: Task) -> None:
    results = list(task.turn([([(CLOSE, -1)], False), ([(CLOSE, -1)], True), ([(GETPID,)], False)]))
    assert results == [-9, -9, NOT_MADE]


def test_a_process_that_is_gone_is_noticed(task: Task) -> None:
    child = task.fork()
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(Gone):
        child.calls([(GETPID,)])


def test_work_can_wait_for_a_process_to_be(task: Task) -> None:
    _, fork = task.child([(executor.EXIT_GROUP, 7)])
    status = task.arena.reserve(8)
    pid, waited = task.calls([fork, (executor.WAIT4, Earlier(0), status, 0, 0)])
    assert waited == pid > 0
    assert task.arena.take(status, 2)[1] == 7


@ROOT_ONLY
def test_being_dumpable_is_each_process_own_though_they_share_memory(task: Task) -> None:
    child, other = task.fork(), task.fork()
    assert child.calls([(117, 1000, 1000, 1000)])[0] == 0
    assert [one.calls([(PRCTL, flags.PR.GET_DUMPABLE)])[0] for one in (child, other, task, child)] == [0, 1, 1, 0]
    assert [one.dumpable for one in (child, other, task)] == [0, 1, 1]


@ROOT_ONLY
def test_who_is_looked_at_must_not_seem_what_it_is_not(task: Task) -> None:
    first = main(task)
    other = first.fork("other")
    other.setresuid(1000, 1000, 1000)
    assert other.pid > 0
    with pytest.raises(Broken, match="main may look at other, which is not dumpable: fork it apart"):
        first.getuid()
    apart = main(task.fork()).fork("apart", apart=True)
    apart.setresuid(1000, 1000, 1000)
    assert apart.pid > 0
    assert apart.getuid() == 1000
    assert task.calls([(PRCTL, flags.PR.GET_DUMPABLE)])[0] == 1


def test_calls_that_wait_are_made_in_order_and_only_while_all_goes_well(task: Task, tmp_path: os.PathLike[str]) -> None:
    one = main(task)
    place = os.path.join(tmp_path, "made")
    one.mkdir(place, 0o755)
    assert not os.path.exists(place)
    assert one.attempt.mkdir(place, 0o755) == "EEXIST"
    one.rmdir(place + "/missing")
    one.rmdir(place)
    with pytest.raises(Broken, match=r"rmdir.*missing.* failed with ENOENT"):
        one.getuid()
    assert os.path.isdir(place)


def test_another_process_sees_what_was_told_before(task: Task, tmp_path: os.PathLike[str]) -> None:
    one = main(task)
    other = one.fork("other")
    place = os.path.join(tmp_path, "made")
    one.mkdir(place, 0o755)
    assert other.attempt.rmdir(place) == "ok"


def test_more_calls_than_a_turn_takes_are_made_all_the_same(task: Task) -> None:
    count = executor.TURN * 2 + 1
    assert main(task).values([("getuid",)] * count) == [os.getuid()] * count


def test_every_call_has_a_number() -> None:
    assert set(NUMBERS) == set(syscalls.SIGNATURES)
    assert set(syscalls.SIGNATURES) >= syscalls.SILENT
    assert process.TRY_OPEN not in syscalls.SIGNATURES


def test_another_architecture_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "ARCHITECTURE", "vax")
    monkeypatch.setattr(beside, "ARCHITECTURE", "vax")
    with pytest.raises(Unavailable, match=r"this machine is .*, and cases are run by vax code"):
        local.check(Column("local", "local", "host"))
    with pytest.raises(OSError, match="vax machine code"):
        beside.Beside()
