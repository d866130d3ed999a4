"""A kernel is taken out of its bzImage where it can be entered without one; else the image is left to unpack itself.

Guards: nothing that an emulated machine could not boot is handed to it, whatever the image holds.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from ksem import bzimage

SETUP, OFFSET = 3, 64


def note(name: bytes, kind: int, content: bytes = b"entry") -> bytes:
    """An ELF note, padded to four bytes."""
    parts = (name, content)
    return struct.pack("<III", len(name), len(content), kind) + b"".join(part + b"\0" * (-len(part) % 4) for part in parts)


def elf(notes: bytes, kind: int = bzimage.PT_NOTE) -> bytes:
    """A 64-bit ELF file with one segment."""
    header = bytearray(b"\x7fELF" + bytes(60))
    struct.pack_into("<Q", header, 32, 64)
    struct.pack_into("<HH", header, 54, 56, 1)
    return bytes(header) + struct.pack("<IIQQQQQQ", kind, 0, 120, 0, 0, len(notes), 0, 0) + notes


ENTERED = elf(note(b"GNU\0", 3, b"build") + note(b"Xen\0", 18))


def image(path: Path, payload: bytes) -> Path:
    """A bzImage around a payload; a linker appends the unpacked size to it."""
    payload += struct.pack("<I", 1234)
    data = bytearray((SETUP + 1) * bzimage.SECTOR + OFFSET) + payload
    data[0x1F1] = SETUP
    struct.pack_into("<II", data, 0x248, OFFSET, len(payload))
    path.write_bytes(data)
    return path


def gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("pack", [zstandard.compress, lzma.compress, gzip])
def test_a_kernel_that_can_be_entered_is_taken_out(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    assert bzimage.vmlinux(image(tmp_path / "bzImage", pack(ENTERED))) == ENTERED


@pytest.mark.parametrize("kernel", [
    elf(note(b"Xen\0", 17)), elf(note(b"GNU\0", 18)), elf(note(b"Xen\0", 18), kind=1), elf(b""), b"no ELF at all",
    ENTERED[:100],
], ids=["another note", "another owner", "no note segment", "no note", "no kernel", "cut short"])
def test_any_other_is_left_to_its_image(kernel: bytes, tmp_path: Path) -> None:
    assert bzimage.vmlinux(image(tmp_path / "bzImage", zstandard.compress(kernel))) is None


@pytest.mark.parametrize("payload", [
    zstandard.compress(ENTERED)[:20], b"\x28\xb5\x2f\xfd" + b"\xff" * 40, lzma.compress(ENTERED)[:16] + b"\xff" * 40,
    b"\x1f\x8b" + b"\xff" * 40, b"\x02\x21\x4c\x18" + b"LZ4", b"",
], ids=["zstd cut short", "no zstd", "no xz", "no gzip", "lz4", "nothing"])
def test_a_payload_that_cannot_be_unpacked_is_left_to_its_image(payload: bytes, tmp_path: Path) -> None:
    assert bzimage.vmlinux(image(tmp_path / "bzImage", payload)) is None
