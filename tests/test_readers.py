"""What is read back is what the kernel says, in the process that is asked, and what keeps it from being read has its errno.

Guards: every observation beside a call's own result comes through here; a set-id bit that is ignored is no error, so an answer
that was not the program's own would go unnoticed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ksem.guest import readers
from ksem.guest.executor import Task


@pytest.fixture
def program(task: Task, tmp_path: Path) -> str:
    """The program that cases run."""
    path = tmp_path / "program"
    path.touch(mode=0o755)
    size, error = task.make(readers.write_program, str(path))
    assert (size, error) == (path.stat().st_size, None)
    return str(path)


def test_the_program_says_as_which_user_it_runs(task: Task, program: str) -> None:
    assert task.make(readers.READERS["run_program"], program) == ({"euid": os.geteuid(), "egid": os.getegid()}, None)


def test_the_program_leaves_neither_descriptors_nor_children(task: Task, program: str) -> None:
    task.make(readers.READERS["run_program"], program)
    assert len(os.listdir(f"/proc/{task.pid}/fd")) == 3
    assert Path(f"/proc/{task.pid}/task/{task.pid}/children").read_text() == ""


def test_what_cannot_be_run_has_an_errno(task: Task, program: str) -> None:
    os.chmod(program, 0o644)
    assert task.make(readers.READERS["run_program"], program) == (None, "EACCES")
    assert task.make(readers.READERS["run_program"], program + ".missing") == (None, "ENOENT")


def test_files_are_read_and_written(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    assert task.make(readers.write_file, str(path), "after") == (5, None)
    assert task.make(readers.read_file, str(path)) == ("aftere", None)
    assert task.make(readers.write_mapped, str(path), "x") == (1, None)
    assert path.read_text() == "xftere"
    assert [task.make(reader, str(path) + "?", *rest) for reader, rest in (
        (readers.write_file, ["x"]), (readers.read_file, []), (readers.write_mapped, ["x"]))] == [(None, "ENOENT")] * 3
    assert len(os.listdir(f"/proc/{task.pid}/fd")) == 3


def test_a_file_that_is_too_long_is_no_answer(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x" * (1 << 20))
    with pytest.raises(ValueError, match="longer than what is read in one go"):
        task.make(readers.read_file, str(path))


def test_directories_are_listed(task: Task, tmp_path: Path) -> None:
    names = sorted(f"name {number}" for number in range(300))
    for name in names:
        (tmp_path / name).touch()
    assert task.make(readers.list_directory, str(tmp_path)) == (names, None)
    assert task.make(readers.list_directory, str(tmp_path / "name 1")) == (None, "ENOTDIR")


def test_mounts_are_those_of_mountinfo(task: Task) -> None:
    root, error = task.make(readers.mountinfo, "/")
    assert error is None
    own = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    assert root["fstype"] in [fields[fields.index("-") + 1] for fields in own if fields[4] == "/"]
    below, _ = task.make(readers.mounts_below, "/")
    assert sorted(below) == sorted(os.path.relpath(fields[4], "/") for fields in own)
    assert task.make(readers.mountinfo, "/no mount point") == (None, "ENOENT")
    options, _ = task.make(readers.mount_options_at, "/proc")
    assert set(options) & {"ro", "rw"}
    assert task.make(readers.mount_options_at, "/no such path") == (None, "ENOENT")


def test_a_process_is_told_by_its_status(task: Task) -> None:
    told, _ = task.make(readers.credentials, "/proc/self")
    assert told["uid"] == [os.getuid(), os.geteuid(), os.geteuid(), os.geteuid()]
    assert sorted(told["groups"]) == sorted(os.getgroups())


def test_what_was_changed_later_is_later(task: Task, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.touch()
    task.make(readers.tick)
    second.touch()
    assert task.make(readers.changed_after, str(second), str(first)) == (True, None)
    assert task.make(readers.changed_after, str(first), str(second)) == (False, None)
    assert task.make(readers.changed_after, str(first) + "?", str(second)) == (None, "ENOENT")
