"""A cloned child tells what it is and leaves nothing behind: neither a process nor a descriptor.

Guards: a child that went on as the parent, or waited for a word that never came, would answer for what comes after it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ksem.guest.cloned import run_cloned
from ksem.guest.executor import Task
from ksem.guest.flags import CLONE3

SIGCHLD = 17


def test_a_child_as_fork_makes_it(task: Task) -> None:
    assert task.make(run_cloned, 0, SIGCHLD, 0, 0) == ({
        "uid": os.getuid(), "no_new_privs": False, "root is empty": False, "signals": ["caught", "ignored"], "cgroup": "",
        "id as asked": False, "outlives its pidfd": True, "left a zombie": True}, None)


def test_what_was_asked_for_is_told(task: Task) -> None:
    seen, _ = task.make(run_cloned, CLONE3.CLEAR_SIGHAND | CLONE3.PIDFD, SIGCHLD, 0, 0)
    assert seen["signals"] == ["default", "ignored"]
    assert seen["outlives its pidfd"]


def test_no_new_privileges_are_inherited_and_told(task: Task) -> None:
    task.calls([(157, 38, 1, 0, 0, 0)])
    assert task.make(run_cloned, 0, SIGCHLD, 0, 0)[0]["no_new_privs"]


def test_what_the_kernel_refuses_has_an_errno(task: Task) -> None:
    assert task.make(run_cloned, 1 << 60, SIGCHLD, 0, 0) == (None, "EINVAL")


@pytest.mark.parametrize("wanted", [0, CLONE3.PIDFD, 1 << 60])
def test_it_leaves_nothing_behind(task: Task, wanted: int) -> None:
    task.make(run_cloned, wanted, SIGCHLD, 0, 0)
    assert len(os.listdir(f"/proc/{task.pid}/fd")) == 3
    assert Path(f"/proc/{task.pid}/task/{task.pid}/children").read_text() == ""
