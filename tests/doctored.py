"""A module of a real kernel whose first instructions are others: what no program can have a kernel do, a module can.

Nothing is compiled for it, so it fits the kernel that it belongs to.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ksem import initramfs, kernel_modules

# Elf64_Ehdr's e_shoff, and its e_shentsize, e_shnum, e_shstrndx; Elf64_Shdr's sh_name, and its sh_offset and sh_size (elf(5)).
_SECTIONS, _SHAPE, _NAME, _PLACE = (struct.Struct(layout) for layout in ("<40xQ", "<58xHHH", "<I", "<24xQQ"))
# The call to __fentry__ that every function of a kernel begins with.
_ENTRY = 5


def module(directory: Path, name: str, instructions: bytes) -> bytes:
    """The module of that name, whose init function begins with these instructions. directory: the one that holds `kernel/`."""
    path = next(path for path in directory.rglob(f"{name}.ko*"))
    content = bytearray(kernel_modules.untraced(initramfs.decompressed(path)))
    start = _section(content, b".init.text") + _ENTRY
    end = start + len(instructions)
    # What is filled in when it is loaded is 0 in the file.
    assert content[start - _ENTRY] == 0xE8
    assert 0 not in content[start:end]
    content[start:end] = instructions
    return bytes(content)


def _section(content: bytes | bytearray, wanted: bytes) -> int:
    """Where a section begins."""
    table, = _SECTIONS.unpack_from(content)
    size, count, names = _SHAPE.unpack_from(content)
    headers = [table + number * size for number in range(count)]
    texts, length = _PLACE.unpack_from(content, headers[names])
    for header in headers:
        name, = _NAME.unpack_from(content, header)
        if content[texts + name:texts + length].partition(b"\0")[0] == wanted:
            return int(_PLACE.unpack_from(content, header)[0])
    raise ValueError(f"no section {wanted!r}")
