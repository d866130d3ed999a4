"""Images with one filesystem each are made once, or it is said what is missing; on a machine not ours there are no disks.

Guards: a disk that silently is not there would make cases unsupported that are not, and one made anew under a machine
would change it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ksem import cache, disks, vm
from ksem.guest import disks as inside
from ksem.guest import syscalls
from ksem.guest.beside import Beside
from ksem.guest.executor import Dead, Task
from ksem.model import KsemError, Unavailable


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and a directory first in PATH."""
    monkeypatch.setattr(cache, "directory", lambda *parts: tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def program(place: Path, name: str, text: str) -> None:
    (place / name).write_text(f"#!/bin/sh\n{text}\n")
    (place / name).chmod(0o755)


def test_an_image_is_made_once_and_only_for_what_lives_on_a_disk(made: Path) -> None:
    program(made, "mkfs.ext4", f'echo made >> {made}/log; for last; do :; done; printf ext4 > "$last"')
    first = disks.images(["ext4", "tmpfs", "overlay"])
    assert disks.images(["ext4"]) == first == {"ext4": first["ext4"]}
    assert first["ext4"].read_text() == "ext4"
    assert (made / "log").read_text() == "made\n"
    assert [path.name for path in made.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterable[str | None]], tuple[str | None, int]]:
    """Attaches a disk whose mounts end so: what that says, and how often the clock was waited for."""
    def attached(errors: Iterable[str | None]) -> tuple[str | None, int]:
        outcomes, ticks = iter(errors), []
        monkeypatch.setattr(inside, "found", lambda arena, name: "nvme0n1")
        monkeypatch.setattr(syscalls, "execute",
                            lambda task, call, given: (0, next(outcomes) if call == "mount" else None))
        arena: Any = SimpleNamespace(read=lambda path: "{}", keep=lambda path: None, tick=lambda: ticks.append(1),
                                     process=lambda: contextlib.nullcontext(None))
        return inside.attach(arena, "ext4"), len(ticks)
    return attached


def test_a_disk_that_is_seen_before_it_can_be_opened_is_waited_for(mounted: Callable[..., tuple[str | None, int]]) -> None:
    assert mounted(["ENXIO", "ENXIO", None]) == (None, 2)
    assert mounted(["EINVAL"]) == ("mounting the disk with a filesystem ext4 failed with EINVAL", 0)


def test_a_disk_that_never_can_be_opened_is_no_verdict(mounted: Callable[..., tuple[str | None, int]],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "PATIENCE", 0.0)
    with pytest.raises(Dead, match="ext4 cannot be opened"):
        mounted(itertools.repeat("ENXIO"))


def test_zeros_take_no_room(made: Path) -> None:
    program(made, "mkfs.xfs", 'for last; do :; done; head -c 9000000 /dev/zero > "$last"; printf xfs >> "$last"')
    image = disks.images(["xfs"])["xfs"]
    assert image.stat().st_size > 9_000_000
    assert image.stat().st_blocks * 512 < 1_000_000


def test_a_missing_program_is_named_with_its_package(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(Unavailable, match=r"^mkfs\.btrfs is missing: apt-get install btrfs-progs$"):
        disks.images(["btrfs"])


def test_a_program_that_fails_leaves_no_image(made: Path) -> None:
    program(made, "mkfs.xfs", "echo no room >&2; exit 1")
    with pytest.raises(KsemError, match="no room"):
        disks.images(["xfs"])
    assert list(made.glob("*.img")) == []


def test_an_image_for_which_there_is_no_room_is_told_and_not_left(made: Path) -> None:
    program(made, "mkfs.xfs", "exit 0")
    program(made, "cp", "echo no room left >&2; exit 1")
    with pytest.raises(KsemError, match=r"xfs-.*\.img cannot be made: no room left"):
        disks.images(["xfs"])
    assert [path.name for path in made.iterdir() if "xfs" in path.name and "mkfs" not in path.name] == []


def test_a_machine_gets_copies_under_the_serials_that_it_looks_for(tmp_path: Path) -> None:
    assert vm._drives({"ext4": tmp_path / "a,b.img"})[1].endswith(f"snapshot=on,file={tmp_path}/a,,b.img")
    assert all(len(inside.serial(name)) <= 20 for name in inside.FILESYSTEMS)


def test_a_machine_that_is_not_ours_has_no_disk_for_cases() -> None:
    assert inside.attach(Beside(), "ext4") == "no disk with a filesystem ext4 for cases"


@pytest.mark.skipif(os.geteuid() != 0, reason="root's work")
def test_a_disk_is_emptied_whatever_was_left_on_it(tmp_path: Path, task: Task) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("left")
    (tmp_path / "link").symlink_to("a")
    tmp_path.chmod(0o700)
    os.setxattr(tmp_path, "user.left", b"here")
    inside.empty(task, str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert os.listxattr(tmp_path) == []
    assert tmp_path.stat().st_mode & 0o7777 == 0o755
