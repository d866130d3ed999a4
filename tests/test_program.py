"""The program that cases run says as which user it runs, and what keeps it from running has its errno's name.

Guards: a set-id bit that is ignored is no error, so an answer that was not the program's own would go unnoticed.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ksem.guest import program

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="no program for this architecture")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """An executable program."""
    file = tmp_path / "program"
    file.touch(mode=0o755)
    assert program.write_program(str(file)) == file.stat().st_size
    return str(file)


def test_it_says_as_which_user_it_runs(path: str) -> None:
    assert program.run_program(path) == {"euid": os.geteuid(), "egid": os.getegid()}


def test_another_says_its_capabilities(path: str) -> None:
    program.write_program(path, "capabilities")
    held = {name.lower()[3:]: int(bits, 16) for name, bits in (line.split(":\t") for line in
            Path("/proc/self/status").read_text().splitlines() if line.startswith("Cap"))}
    seen = program.run_capabilities(path)
    # Root gets back what is in the bounding set, others only what is ambient.
    assert seen["permitted"] == (held["bnd"] if os.geteuid() == 0 else held["amb"])
    assert seen["inheritable"] == held["inh"]


def test_a_program_of_the_machine_ends_with_its_status(tmp_path: Path) -> None:
    assert program.run_command(["/bin/sh", "-c", "test $0 = 42 && exit 7", "<pid>"], "/proc/42") == 7
    assert program.run_command([str(tmp_path / "none")], "/proc/1") == 127


def test_it_leaves_neither_descriptors_nor_children(path: str) -> None:
    before = os.listdir("/proc/self/fd")
    program.run_program(path)
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_cannot_be_run_has_an_errno(path: str) -> None:
    os.chmod(path, 0o644)
    for name, number in ((path, errno.EACCES), (path + ".missing", errno.ENOENT)):
        with pytest.raises(OSError, match=os.strerror(number)):
            program.run_program(name)


def test_another_architecture_is_told(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_CODE", {})
    with pytest.raises(OSError, match=f"Errno {errno.ENOEXEC}"):
        program.write_program(path)
