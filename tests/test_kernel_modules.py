"""What was unpacked of a kernel's modules is kept, and never given out for other files, other wishes, or when it is damaged."""

from __future__ import annotations

import lzma
import os
import shutil
import struct
import time
from pathlib import Path

import pytest
from made import noted

from ksem import initramfs, kernel_modules

CONTENT = b"\x7fELF\0depends=\0license=GPL\0"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with one module, overlay, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "modules/kernel/fs/overlay.ko.xz"
    path.parent.mkdir(parents=True)
    path.write_bytes(lzma.compress(CONTENT))
    return settled(tmp_path / "modules")


def settled(modules: Path) -> Path:
    """The same, once its directories are as old as what is noted has to be."""
    newest = max(os.stat(place).st_ctime_ns for place, _, _ in os.walk(modules))
    while time.time_ns() <= newest + kernel_modules.SETTLED:
        pass
    return modules


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The modules that were unpacked."""
    return noted(monkeypatch, "decompressed", initramfs)


def cached(tmp_path: Path, noted: bool = False) -> list[Path]:
    """What the cache holds of modules, or of what is noted of them."""
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and (path.suffix == ".json") == noted]


def test_modules_are_unpacked_once(modules: Path, unpacked: list[Path]) -> None:
    first = kernel_modules.files(modules, {"overlay", "xfs"})
    assert first == kernel_modules.files(modules, ["xfs", "overlay"]) == ({"overlay": CONTENT}, {"overlay": ["overlay"]})
    assert len(unpacked) == 1


def test_other_modules_are_another_matter(modules: Path) -> None:
    assert kernel_modules.files(modules, ["xfs"]) == ({}, {})
    assert kernel_modules.files(modules, ["overlay"]) == ({"overlay": CONTENT}, {"overlay": ["overlay"]})


def test_a_module_that_was_built_again_is_unpacked_again(modules: Path) -> None:
    kernel_modules.files(modules, ["overlay"])
    path = next(modules.rglob("*.ko.xz"))
    before = path.stat()
    path.write_bytes(lzma.compress(CONTENT.replace(b"GPL", b"MIT")))
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert kernel_modules.files(modules, ["overlay"])[0] == {"overlay": CONTENT.replace(b"GPL", b"MIT")}


def test_a_module_that_was_not_read_may_change(modules: Path, unpacked: list[Path]) -> None:
    other = modules / "kernel/fs/xfs.ko.xz"
    other.write_bytes(lzma.compress(CONTENT))
    before = kernel_modules.key(settled(modules), ["overlay"])
    other.write_bytes(b"another, that cannot even be read")
    assert kernel_modules.key(modules, ["overlay"]) == before
    assert len(unpacked) == 1


@pytest.mark.parametrize("below", [".", "kernel", "kernel/fs", "kernel/drivers"])
def test_a_module_that_comes_later_is_found(modules: Path, below: str) -> None:
    wanted = ["overlay", "xfs"]
    before = kernel_modules.key(modules, wanted)
    (modules / below).mkdir(exist_ok=True)
    (modules / below / "xfs.ko.xz").write_bytes(lzma.compress(CONTENT))
    assert kernel_modules.key(modules, wanted) != before
    assert list(kernel_modules.files(modules, wanted)[1]) == wanted


def test_a_directory_that_comes_later_is_found(modules: Path) -> None:
    before = kernel_modules.key(modules / "later", ["overlay"])
    (modules / "later").mkdir()
    (modules / "later" / "overlay.ko.xz").write_bytes(lzma.compress(CONTENT))
    assert kernel_modules.key(modules / "later", ["overlay"]) != before


@pytest.mark.parametrize("how", ["renamed", "linked"])
def test_another_directory_with_the_same_times_is_another(modules: Path, tmp_path: Path, how: str) -> None:
    """As where all files are given one time, to be the same wherever they are built."""
    other, place = tmp_path / "other", tmp_path / "place"
    shutil.copytree(modules, other)
    (other / "kernel/fs/xfs.ko.xz").write_bytes(lzma.compress(CONTENT))
    for path in [modules, *modules.rglob("*"), other, *other.rglob("*")]:
        os.utime(path, ns=(1, 1))
    settled(modules), settled(other)
    wanted, found = ["overlay", "xfs"], []
    for directory in (modules, other):
        if how == "linked":
            place.unlink(missing_ok=True)
            place.symlink_to(directory)
        else:
            shutil.rmtree(place, ignore_errors=True)
            directory.rename(place)
        found.append(sorted(kernel_modules.files(place, wanted)[0]))
    assert found == [["overlay"], ["overlay", "xfs"]]


def test_nothing_is_noted_of_what_just_changed(modules: Path, tmp_path: Path) -> None:
    (modules / "new").mkdir()
    now = os.stat(modules).st_ctime_ns
    kernel_modules.key(modules, ["overlay"])
    late = time.time_ns() > now + kernel_modules.SETTLED
    assert late or cached(tmp_path, noted=True) == []


def test_the_same_modules_elsewhere_are_the_same(modules: Path, tmp_path: Path) -> None:
    shutil.copytree(modules, tmp_path / "copy")
    assert kernel_modules.key(modules, ["overlay"]) == kernel_modules.key(tmp_path / "copy", ["overlay"])


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"[1]", b"7", b"{}", b'{"\\u0000": 1}', b'{"kernel": []}', b"\xff",
                                  b"[" * 100_000])
def test_a_note_that_is_damaged_is_made_again(modules: Path, tmp_path: Path, note: bytes) -> None:
    before = kernel_modules.key(modules, ["overlay"])
    path, = cached(tmp_path, noted=True)
    right = path.read_bytes()
    path.write_bytes(note)
    assert kernel_modules.key(modules, ["overlay"]) == before
    assert path.read_bytes() == right


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_what_is_damaged_is_made_again(modules: Path, tmp_path: Path, damage: str) -> None:
    right = kernel_modules.files(modules, ["overlay"])
    path, = cached(tmp_path)
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-5], "changed": data[:20] + bytes([data[20] ^ 1]) + data[21:], "emptied": b""}[damage])
    assert kernel_modules.files(modules, ["overlay"]) == right
    assert path.read_bytes() == data


def test_a_cache_that_cannot_be_written_to_costs_time_alone(modules: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "ksem").write_text("in the way")
    assert kernel_modules.files(modules, ["overlay"]) == ({"overlay": CONTENT}, {"overlay": ["overlay"]})


def elf(names: bytes) -> bytes:
    """The least that is a module: a header, some code, the names of sections, and a table of sections with that one."""
    code = b"__mcount_loc\0 is text here"
    table = 64 + len(code) + len(names)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 1, 0)
    return header + code + names + struct.pack("<IIQQQQ24x", 0, 3, 0, 0, 64 + len(code), len(names))


def test_a_module_is_not_made_ready_to_be_traced_and_nothing_else_of_it_changes() -> None:
    before = elf(b"\0.text\0.rela__mcount_loc\0")
    assert kernel_modules.untraced(before) == elf(b"\0.text\0.rela__ncount_loc\0")
    signed = before + b"signature" + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, 9) + b"~Module signature appended~\n"
    assert kernel_modules.untraced(signed) == kernel_modules.untraced(before)


@pytest.mark.parametrize("content", [b"", CONTENT, elf(b"")[:50], elf(b"")[:70], b"\x7fELF\x01\x01" + bytes(90)])
def test_what_is_no_module_is_left_alone(content: bytes) -> None:
    assert kernel_modules.untraced(content) == content
