"""What was unpacked of a kernel's modules is kept, and never given out for other files, other wishes, or when it is damaged."""

from __future__ import annotations

import lzma
import os
import struct
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
    return tmp_path / "modules"


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The modules that were unpacked."""
    return noted(monkeypatch, "decompressed", initramfs)


def cached(tmp_path: Path) -> list[Path]:
    """What the cache holds."""
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


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
