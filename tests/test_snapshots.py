"""Saved machines: named by all that shaped them, whole or not there, and never more than the limit.

Guards: a snapshot that is stale, cut short or damaged must not be run on, and a cache must not grow without end.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_store import full_disk

from ksem import cache, snapshots
from ksem.model import KsemError
from ksem.snapshots import PAGE

# With holes before, between and behind what there is, and an end that is no whole page.
MEMORY = bytes(3 * PAGE) + os.urandom(2 * PAGE) + bytes(60 * PAGE) + os.urandom(PAGE) + bytes(7 * PAGE)
AREAS = [MEMORY, bytes(PAGE), os.urandom(5000)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where snapshots are kept for the test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(snapshots.VARIABLE, raising=False)
    return tmp_path / "ksem" / "snapshots"


def read(name: str) -> list[bytes] | None:
    """What is kept under a name, once it was checked."""
    with snapshots.opened(name) as found:
        if found is None:
            return None
        found.check()
        return [found.area(number) for number in range(len(found.areas))]


def one(size: int) -> list[bytes]:
    return [os.urandom(size)]


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def path(place: Path, name: str = "one") -> Path:
    return place / f"{name}{snapshots.SUFFIX}"


def test_what_is_kept_comes_back(place: Path) -> None:
    snapshots.keep("one", AREAS)
    assert read("one") == AREAS
    # Where nothing is, nothing is stored.
    assert path(place).stat().st_blocks * 512 < len(MEMORY) / 4


@given(st.lists(st.lists(st.sampled_from([bytes(PAGE), b"x" * PAGE, bytes(99), b"y" * 99]), max_size=4).map(b"".join),
                max_size=3))
def test_whatever_is_kept_comes_back(areas: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", home)
        snapshots.keep("one", areas)
        assert read("one") == areas


def test_memory_that_is_mapped_is_kept(place: Path) -> None:
    with mmap.mmap(-1, len(MEMORY)) as area:
        area[:] = MEMORY
        snapshots.keep("one", [area])
    assert read("one") == [MEMORY]


def test_an_area_is_where_the_file_can_be_mapped(place: Path) -> None:
    snapshots.keep("one", [os.urandom(10), MEMORY])
    with snapshots.opened("one") as found:
        assert found is not None
        assert found.areas == [(0, 10), (PAGE, len(MEMORY))]


def test_one_that_only_others_may_change_is_copied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("one", AREAS)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert read("one") == AREAS
    with snapshots.opened("one") as found:
        assert found is not None
        open(f"/proc/self/fd/{found.file.fileno()}", "r+b").close()


def test_who_reads_one_is_where_he_was_whatever_is_checked_meanwhile(place: Path) -> None:
    snapshots.keep("one", AREAS)
    # As somebody wrote to it, all of it is looked at.
    os.utime(path(place))
    with snapshots.opened("one") as found:
        assert found is not None
        with found.reader(2) as descriptor:
            assert os.read(descriptor, 100) == AREAS[2][:100]
            found.check()
            assert os.read(descriptor, 4900) == AREAS[2][100:]


def test_what_is_not_there_is_none(place: Path) -> None:
    assert read("one") is None
    snapshots.keep("one", AREAS)
    snapshots.discard("one")
    snapshots.discard("one")
    assert read("one") is None


@given(st.lists(st.binary(max_size=3), max_size=3), st.lists(st.binary(max_size=3), max_size=3))
def test_a_name_is_that_of_its_parts(one: list[bytes], other: list[bytes]) -> None:
    assert (snapshots.name("6.12-tcg", one) == snapshots.name("6.12-tcg", other)) == (one == other)


def test_a_name_is_a_file_name() -> None:
    assert "/" not in snapshots.name("../6.12 rc/1", [])
    assert snapshots.name("6.12-rc1-tcg", []).startswith("6.12-rc1-tcg-")


def test_something_behind_all_there_was_is_noticed(place: Path) -> None:
    snapshots.keep("one", [b"page" * 1024 + bytes(PAGE)])
    with path(place).open("r+b") as file:
        file.seek(PAGE + 9)
        file.write(b"x")
    with pytest.raises(snapshots.Damaged):
        read("one")


@pytest.mark.parametrize("where", ["hole", "page", "behind the pages", "devices", "table", "end"])
def test_a_damaged_one_is_noticed(place: Path, where: str) -> None:
    snapshots.keep("one", AREAS)
    size = path(place).stat().st_size
    at = {"hole": 5, "page": 3 * PAGE + 7, "behind the pages": len(MEMORY) - 1, "devices": len(MEMORY) + PAGE + 4999,
          "table": size - 60, "end": size - 1}[where]
    with path(place).open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))
    with pytest.raises(snapshots.Damaged):
        read("one")


@pytest.mark.parametrize("left", [0, 1, 10, 1000, -100, -4, -1])
def test_one_that_is_cut_short_is_noticed(place: Path, left: int) -> None:
    snapshots.keep("one", AREAS)
    path(place).write_bytes(path(place).read_bytes()[:left])
    with pytest.raises(snapshots.Damaged):
        read("one")


def test_one_that_nobody_wrote_to_is_not_looked_into(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("one", AREAS)
    monkeypatch.setattr(mmap, "mmap", None)
    assert read("one") == AREAS
    assert read("one") == AREAS
    with monkeypatch.context() as changed:
        changed.setattr(cache, "boot_id", lambda: "another start of the host")
        with pytest.raises(TypeError):
            read("one")
    os.utime(path(place))
    with pytest.raises(TypeError):
        read("one")


def test_one_that_is_doubted_is_looked_into_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("one", AREAS)
    looked: list[int] = []
    data = snapshots._data

    def noting(descriptor: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        looked.append(start)
        return data(descriptor, start, end)

    monkeypatch.setattr(snapshots, "_data", noting)
    read("one")
    assert looked == []
    snapshots.doubt("one")
    read("one")
    seen = len(looked)
    assert seen > 0
    read("one")
    assert len(looked) == seen
    snapshots.doubt("none")


def test_one_that_rots_while_its_time_stays_is_noticed_once_it_is_doubted(place: Path) -> None:
    snapshots.keep("one", AREAS)
    before = os.stat(path(place)).st_mtime_ns
    with path(place).open("r+b") as file:
        file.seek(3 * PAGE)
        file.write(b"rotten")
    os.utime(path(place), ns=(before, before))
    assert read("one") is not None
    snapshots.doubt("one")
    with pytest.raises(snapshots.Damaged):
        read("one")


def test_one_without_its_holes_is_as_good(place: Path) -> None:
    snapshots.keep("one", AREAS)
    path(place).write_bytes(path(place).read_bytes())
    assert read("one") == AREAS


def test_one_that_is_endless_is_not_read(place: Path) -> None:
    snapshots.keep("one", AREAS)
    os.truncate(path(place), snapshots.LARGEST + 1)
    with pytest.raises(snapshots.Damaged, match="size"):
        read("one")


def use(place: Path, name: str, when: int) -> None:
    os.utime(path(place, name), (when, when))


def test_the_one_that_was_used_longest_ago_goes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for when, name in enumerate(("a", "b", "c"), 1000):
        snapshots.keep(name, one(400_000))
        use(place, name, when)
    read("a")
    monkeypatch.setenv(snapshots.VARIABLE, "1")
    snapshots.keep("d", one(400_000))
    assert names(place) == ["a.machine", "d.machine"]


def test_what_older_ones_kept_goes_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("a", one(400_000))
    (place / "b.zst").write_bytes(os.urandom(800_000))
    os.utime(place / "b.zst", (1000, 1000))
    monkeypatch.setenv(snapshots.VARIABLE, "1")
    snapshots.keep("c", one(400_000))
    assert names(place) == ["a.machine", "c.machine"]


def test_the_newest_stays_whatever_the_clock_says(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("a", one(700_000))
    use(place, "a", 1 << 33)
    monkeypatch.setenv(snapshots.VARIABLE, "1")
    snapshots.keep("b", one(700_000))
    assert names(place) == ["b.machine"]


def test_one_that_is_larger_than_the_limit_is_not_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("a", AREAS)
    monkeypatch.setenv(snapshots.VARIABLE, "1")
    # Holes do not count.
    snapshots.keep("b", [bytes(2_000_000), os.urandom(100_000)])
    snapshots.keep("c", one(1_100_000))
    assert names(place) == ["a.machine", "b.machine"]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "many"])
def test_a_limit_that_is_none_is_told(place: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(snapshots.VARIABLE, text)
    with pytest.raises(KsemError, match="megabytes"):
        snapshots.limit()


def test_what_a_killed_run_left_half_written_goes(place: Path) -> None:
    snapshots.keep("a", AREAS)
    for name, age in ((".old.machine.x", 7200), (".new.machine.y", 0)):
        (place / name).write_bytes(b"half")
        if age:
            os.utime(place / name, (1000, 1000))
    snapshots.trim(snapshots.limit())
    assert names(place) == [".new.machine.y", "a.machine"]


def test_a_full_disk_is_told_and_leaves_nothing(place: Path) -> None:
    place.mkdir(parents=True)
    with full_disk(1000), pytest.raises(KsemError, match=os.strerror(errno.EFBIG)):
        snapshots.keep("one", one(100_000))
    assert names(place) == []
    assert read("one") is None


def test_a_cache_that_cannot_be_made_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read("one") is None
    snapshots.discard("one")
    with pytest.raises(KsemError, match="XDG_CACHE_HOME"):
        snapshots.keep("one", AREAS)
