"""What is in a bzImage: the version that it names, and the kernel that it would unpack.

Contract: the standard library, zstandard, `model`. Offsets are those of Documentation/arch/x86/boot.rst ('The Real-Mode
Kernel Header').
"""

from __future__ import annotations

import lzma
import re
import struct
import zlib
from pathlib import Path

import zstandard

from ksem.model import KsemError

SECTOR = 512
PT_NOTE = 4
# XEN_ELFNOTE_PHYS32_ENTRY (xen/interface/elfnote.h): where a kernel may be entered without a boot loader's help.
ENTRY_NOTE = (b"Xen\0", 18)


def version(path: Path) -> str:
    """The version text of a bzImage: `6.12.90 (builder@host) #1 SMP ...`. Raises KsemError for what is none."""
    try:
        with path.open("rb") as file:
            header = file.read(0x210)
            if header[0x202:0x206] != b"HdrS":
                raise KsemError(f"{path} is no bzImage: give the one that a kernel build leaves in arch/x86/boot/bzImage")
            file.seek(int.from_bytes(header[0x20E:0x210], "little") + SECTOR)
            text = file.read(256).split(b"\0")[0].decode("ascii", "replace")
    except OSError as error:
        raise KsemError(f"{path}: {error.strerror}: name a readable bzImage") from None
    if not re.match(r"\d+\.\d+", text):
        raise KsemError(f"{path} names no kernel version in its header: give an unmodified bzImage")
    return text


def vmlinux(path: Path) -> bytes | None:
    """The kernel in a bzImage, when it can be entered as it is (PVH), else None: an emulated machine unpacks for seconds."""
    image = path.read_bytes()
    setup, = struct.unpack_from("<B", image, 0x1F1)
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup + 1) * SECTOR + offset
    try:
        kernel = _unpacked(image[start:start + length])
        return kernel if kernel[:4] == b"\x7fELF" and _enterable(kernel) else None
    except (zstandard.ZstdError, lzma.LZMAError, zlib.error, struct.error):
        # Whatever it is, the image itself may still boot, or say what is wrong.
        return None


def _unpacked(payload: bytes) -> bytes:
    """Nothing for what cannot be unpacked here: LZ4 has no need, a machine does that fast."""
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor(max_window_size=1 << 30).decompressobj().decompress(payload)
    if payload.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31).decompress(payload)
    return b""


def _enterable(kernel: bytes) -> bool:
    """Whether an ELF kernel has the note that says where to enter it."""
    table, = struct.unpack_from("<Q", kernel, 32)
    size, count = struct.unpack_from("<HH", kernel, 54)
    for number in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", kernel, table + number * size)
        if kind == PT_NOTE and ENTRY_NOTE in _notes(kernel[offset:offset + length]):
            return True
    return False


def _notes(segment: bytes) -> list[tuple[bytes, int]]:
    """Name and type of each note of a segment (elf(5), 'Notes')."""
    found = []
    place = 0
    while place + 12 <= len(segment):
        name, content, kind = struct.unpack_from("<III", segment, place)
        found.append((segment[place + 12:place + 12 + name], kind))
        place += 12 + name + -name % 4 + content + -content % 4
    return found
