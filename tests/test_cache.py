"""What is kept between runs: whole files or none, in a directory that can be made, noted for this boot only.

Guards: a crash or a full disk must leave neither half a file nor a temporary one, and a user without
a usable cache gets one line.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from test_store import full_disk

from ksem import cache
from ksem.model import KsemError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_directories_are_made_below_the_users_cache(home: Path) -> None:
    assert cache.directory("debian", "kernels") == home / "ksem" / "debian" / "kernels"
    assert cache.directory("debian", "kernels").is_dir()


def test_a_cache_that_cannot_be_made_names_the_mend(home: Path) -> None:
    home.write_text("a file is in the way")
    with pytest.raises(KsemError, match="XDG_CACHE_HOME"):
        cache.directory("debian")


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    cache.write_atomically(path, b"old")
    with path.open("rb") as reader:
        cache.write_atomically(path, b"new, and longer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new, and longer"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    cache.write_atomically(tmp_path / "ours", b"")
    (tmp_path / "any").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with full_disk(size), pytest.raises(KsemError) as caught:
        cache.write_atomically(path, b"x" * 200_000)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_no_directory_to_write_in_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(KsemError, match="cannot be written"):
        cache.write_atomically(tmp_path / "nowhere" / "file", b"")


def test_a_lock_is_held_by_one_and_leaves_nothing(tmp_path: Path) -> None:
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        with cache.locked(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)
    assert os.listdir(tmp_path) == []


def test_who_must_wait_is_told(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError), cache.locked(tmp_path, interrupted), cache.locked(tmp_path, interrupted):
        pytest.fail("two are alone")


def interrupted() -> None:
    """What a user may do who is told to wait."""
    raise InterruptedError


def test_a_note_holds_until_the_machine_is_started_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.boot_note("accelerator") is None
    cache.set_boot_note("accelerator", "tcg, as kvm hangs")
    assert cache.boot_note("accelerator") == "tcg, as kvm hangs"
    monkeypatch.setattr(cache, "boot_id", lambda: "another boot")
    assert cache.boot_note("accelerator") is None
