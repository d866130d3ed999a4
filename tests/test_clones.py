"""A cloned child reports what it is and leaves nothing behind: neither a process, a descriptor nor a signal handler.

Guards: a child that went on as the parent, or a handler that stayed, would answer for what comes after it.
"""

from __future__ import annotations

import errno
import os
import signal

import pytest

from ksem.guest import clones
from ksem.guest.flags import CLONE3

SIGCHLD = 17


def test_a_child_as_fork_makes_it() -> None:
    assert clones.run_cloned({"flags": 0, "exit_signal": SIGCHLD}) == {
        "uid": os.getuid(), "no_new_privs": False, "root is empty": False, "signals": ["caught", "ignored"],
        "outlives its pidfd": True, "left a zombie": True}


def test_what_was_asked_for_is_told() -> None:
    seen = clones.run_cloned({"flags": CLONE3.CLEAR_SIGHAND | CLONE3.PIDFD, "exit_signal": SIGCHLD})
    assert seen["signals"] == ["default", "ignored"]
    assert seen["outlives its pidfd"]


def test_what_the_kernel_refuses_has_an_errno() -> None:
    with pytest.raises(OSError, match=f"Errno {errno.EINVAL}"):
        clones.run_cloned({"flags": 1 << 60, "exit_signal": SIGCHLD})


@pytest.mark.parametrize("flags", [0, 1 << 60])
def test_it_leaves_nothing_behind(flags: int) -> None:
    handlers = [signal.getsignal(one) for one in (signal.SIGUSR1, signal.SIGUSR2)]
    before = os.listdir("/proc/self/fd")
    try:
        clones.run_cloned({"flags": flags, "exit_signal": SIGCHLD})
    except OSError:
        assert flags
    assert os.listdir("/proc/self/fd") == before
    assert [signal.getsignal(one) for one in (signal.SIGUSR1, signal.SIGUSR2)] == handlers
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
