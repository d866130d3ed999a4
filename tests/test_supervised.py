"""A supervised call ends with the supervisor's answer, and the supervisor with nothing left over.

Guards: an answer that never came would stop the case until its deadline, and a call that went past the filter would be taken
for an answer.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ksem.guest import syscalls
from ksem.guest.executor import Task
from ksem.guest.flags import PR, SECCOMP, SECCOMP_FILTER_FLAG
from ksem.guest.supervised import supervised


@pytest.fixture
def listener(task: Task) -> int:
    """Of a filter that hands openat(2) over."""
    syscalls.execute(task, "prctl", [PR.SET_NO_NEW_PRIVS, 1])
    made, error = syscalls.execute(task, "seccomp", [
        SECCOMP.SET_MODE_FILTER, SECCOMP_FILTER_FLAG.NEW_LISTENER, "openat"])
    assert error is None
    return int(made)


def test_a_call_is_refused_in_the_kernels_stead(task: Task, listener: int, tmp_path: Path) -> None:
    path = tmp_path / "made"
    assert task.make(supervised, listener, str(path), "errno", errno.EXDEV) == (
        {"answer": "ok", "opened": "EXDEV", "content": "EBADF"}, None)
    assert not path.exists()


def test_a_value_is_no_descriptor(task: Task, listener: int, tmp_path: Path) -> None:
    assert task.make(supervised, listener, str(tmp_path / "made"), "value", 50) == (
        {"answer": "ok", "opened": "ok", "content": "EBADF"}, None)


def test_a_call_goes_on(task: Task, listener: int, tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.write_text("there before")
    assert task.make(supervised, listener, str(path), "continue", 0) == (
        {"answer": "ok", "opened": "ok", "content": "there before"}, None)


@pytest.mark.parametrize("answer", ["descriptor", "descriptor at once"])
def test_a_descriptor_is_handed_in(task: Task, listener: int, tmp_path: Path, answer: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("handed in")
    given, _ = syscalls.execute(task, "open", [str(secret), os.O_RDONLY, 0])
    seen, _ = task.make(supervised, listener, str(tmp_path / "made"), answer, given)
    assert seen == {"answer": "ok", "opened": "ok", "content": "handed in"}


def test_an_answer_that_cannot_be_given_lets_the_call_go_on(task: Task, listener: int, tmp_path: Path) -> None:
    path = tmp_path / "made"
    seen, _ = task.make(supervised, listener, str(path), "descriptor at once", 199)
    assert seen == {"answer": "EBADF", "opened": "ok", "content": ""}
    assert path.exists()


def test_it_leaves_neither_descriptors_nor_children(task: Task, listener: int, tmp_path: Path) -> None:
    task.make(supervised, listener, str(tmp_path / "made"), "value", 0)
    assert len(os.listdir(f"/proc/{task.pid}/fd")) == 4
    assert Path(f"/proc/{task.pid}/task/{task.pid}/children").read_text() == ""


def test_another_answer_is_a_mistake_of_the_case(task: Task, listener: int) -> None:
    with pytest.raises(ValueError, match="no answer is 'maybe'"):
        task.make(supervised, listener, "made", "maybe", 0)
