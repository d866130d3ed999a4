"""Saved machines: named by all that shaped them, whole or not there, and never more than the limit.

Guards: a snapshot that is stale, cut short or damaged must not be run on, and a cache must not grow without end.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_store import full_disk

from ksem import snapshots
from ksem.model import KsemError

STATE = os.urandom(5000) * 20


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where snapshots are kept for the test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(snapshots.VARIABLE, raising=False)
    return tmp_path / "ksem" / "snapshots"


def read(name: str) -> bytes | None:
    """What is kept under a name as QEMU reads it: by the descriptor."""
    with snapshots.opened(name) as found:
        if found is None:
            return None
        with open(os.dup(found.fileno()), "rb") as state:
            return state.read()


def sizes(place: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in place.iterdir()}


def test_what_is_kept_comes_back(place: Path) -> None:
    snapshots.keep("one", STATE)
    assert read("one") == STATE
    assert sizes(place)["one.zst"] < len(STATE) / 10


def test_what_is_not_there_is_none(place: Path) -> None:
    assert read("one") is None
    snapshots.keep("one", STATE)
    snapshots.discard("one")
    snapshots.discard("one")
    assert read("one") is None


@given(st.lists(st.binary(max_size=3), max_size=3), st.lists(st.binary(max_size=3), max_size=3))
def test_a_name_is_that_of_its_parts(one: list[bytes], other: list[bytes]) -> None:
    assert (snapshots.name("6.12-tcg", one) == snapshots.name("6.12-tcg", other)) == (one == other)


def test_a_name_is_a_file_name() -> None:
    assert "/" not in snapshots.name("../6.12 rc/1", [])
    assert snapshots.name("6.12-rc1-tcg", []).startswith("6.12-rc1-tcg-")


@pytest.mark.parametrize("part", ["start", "middle", "end", "checksum"])
def test_a_damaged_one_is_noticed(place: Path, part: str) -> None:
    snapshots.keep("one", os.urandom(100_000))
    path = place / "one.zst"
    data = bytearray(path.read_bytes())
    data[{"start": 2, "middle": len(data) // 2, "end": len(data) - 50, "checksum": len(data) - 1}[part]] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(snapshots.Damaged):
        read("one")


@pytest.mark.parametrize("left", [0, 1, 10, 1000, -4, -1])
def test_one_that_is_cut_short_is_noticed(place: Path, left: int) -> None:
    snapshots.keep("one", STATE)
    path = place / "one.zst"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(snapshots.Damaged):
        read("one")


def test_one_that_claims_to_be_endless_is_not_unpacked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("one", STATE)
    monkeypatch.setattr(snapshots, "LARGEST", 1000)
    with pytest.raises(snapshots.Damaged, match="size"):
        read("one")


def use(place: Path, name: str, when: int) -> None:
    os.utime(place / f"{name}.zst", (when, when))


def test_the_one_that_was_used_longest_ago_goes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for when, name in enumerate(("a", "b", "c"), 1000):
        snapshots.keep(name, os.urandom(400_000))
        use(place, name, when)
    read("a")
    monkeypatch.setenv(snapshots.VARIABLE, "1")
    snapshots.keep("d", os.urandom(400_000))
    assert sorted(sizes(place)) == ["a.zst", "d.zst"]


def test_the_newest_stays_whatever_the_clock_says(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("a", os.urandom(700_000))
    use(place, "a", 1 << 33)
    monkeypatch.setenv(snapshots.VARIABLE, "1")
    snapshots.keep("b", os.urandom(700_000))
    assert sorted(sizes(place)) == ["b.zst"]


def test_one_that_is_larger_than_the_limit_is_not_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.keep("a", STATE)
    monkeypatch.setenv(snapshots.VARIABLE, "1")
    snapshots.keep("b", os.urandom(1_100_000))
    assert sorted(sizes(place)) == ["a.zst"]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "many"])
def test_a_limit_that_is_none_is_told(place: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(snapshots.VARIABLE, text)
    with pytest.raises(KsemError, match="megabytes"):
        snapshots.limit()


def test_what_a_killed_run_left_half_written_goes(place: Path) -> None:
    snapshots.keep("a", STATE)
    for name, age in ((".old.zst.x", 7200), (".new.zst.y", 0)):
        (place / name).write_bytes(b"half")
        if age:
            os.utime(place / name, (1000, 1000))
    snapshots.trim(snapshots.limit())
    assert sorted(sizes(place)) == [".new.zst.y", "a.zst"]


def test_a_full_disk_is_told_and_leaves_nothing(place: Path) -> None:
    place.mkdir(parents=True)
    with full_disk(1000), pytest.raises(KsemError, match=os.strerror(errno.EFBIG)):
        snapshots.keep("one", os.urandom(100_000))
    assert sizes(place) == {}
    assert read("one") is None


def test_a_cache_that_cannot_be_made_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read("one") is None
    snapshots.discard("one")
    with pytest.raises(KsemError, match="XDG_CACHE_HOME"):
        snapshots.keep("one", STATE)
