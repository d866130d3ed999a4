"""A supervised call ends with the supervisor's answer, and the supervisor with nothing left over.

Guards: an answer that never came would stop the case until its deadline, and a call that went past the filter would be taken
for an answer.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ksem.guest import supervised

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of calls are those of x86_64")
MKDIR, GETPID = 83, 39


def test_a_call_is_refused_in_the_kernels_stead(tmp_path: Path) -> None:
    path = tmp_path / "made"
    seen = supervised.supervised(MKDIR, ["mkdir", str(path), 0o755], {"error": -errno.EXDEV})
    assert seen == {"notified": True, "answer": "ok", "outcome": "EXDEV"}
    assert not path.exists()


def test_a_call_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "made"
    assert supervised.supervised(MKDIR, ["mkdir", str(path), 0o755], {"continue": 1})["outcome"] == 0
    assert path.is_dir()


def test_a_call_that_is_never_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "_PATIENCE", 1)
    seen = supervised.supervised(GETPID, ["getuid"], {"value": 0})
    assert (seen["notified"], seen["outcome"]) == (False, os.getuid())


def test_an_answer_that_cannot_be_given_lets_the_call_go_on(tmp_path: Path) -> None:
    seen = supervised.supervised(MKDIR, ["mkdir", str(tmp_path / "made"), 0o755], {"descriptor": 199})
    assert seen == {"notified": True, "answer": "EBADF", "outcome": 0}


def test_it_leaves_neither_descriptors_nor_children(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    supervised.supervised(MKDIR, ["mkdir", str(tmp_path / "made"), 0o755], {"value": 0})
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
