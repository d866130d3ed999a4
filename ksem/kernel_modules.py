"""The modules of a kernel as they go into an initramfs, unpacked once: to find, unpack and sort them takes half a second.

Contract: the standard library, zstandard, `cache`, `initramfs`, `model`. What is kept belongs to a directory's files as they
are and to the code that chose among them: when either changes, it is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import zstandard

from ksem import cache, initramfs
from ksem.model import KsemError

_SIGNED, _SIGNATURE = b"~Module signature appended~\n", 12
# Elf64_Ehdr, and where a Elf64_Shdr has sh_offset and sh_size (elf(5)).
_HEADER, _PLACE, _PLACE_AT = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<QQ"), 24
Files = tuple[dict[str, bytes], dict[str, list[str]]]


def files(directory: Path, wanted: Iterable[str]) -> Files:
    """What `initramfs.module_files` returns. directory: the one that holds `kernel/`."""
    names = sorted(set(wanted))
    name = key(directory, names)
    # What was not kept yet, or is damaged, is made; a cache that cannot be written to costs time alone.
    with contextlib.suppress(KsemError, OSError, zstandard.ZstdError):
        kept: Files = marshal.loads(zstandard.ZstdDecompressor().decompress((cache.directory("modules") / name).read_bytes()))
        return kept
    found = initramfs.module_files(directory, names)
    with contextlib.suppress(KsemError):
        data = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(marshal.dumps(found))
        cache.write_atomically(cache.directory("modules") / name, data)
    return found


def untraced(module: bytes) -> bytes:
    """A module whose functions the kernel does not make ready to be traced; what is in them stays as it is.

    For every place in __mcount_loc the kernel looks through all of a module's symbols for the name of its function (ftrace's
    test_for_valid_rec() in kernel/trace/ftrace.c): under emulation that takes btrfs 2.5 s. Under another name it is a section
    like any other, and the calls in question go to a function that returns at once. The signature, which fits no more, goes
    too, so the kernel must not insist on one (CONFIG_MODULE_SIG_FORCE). What is no module for 64 bits is given back as it is.
    """
    if module[:6] != b"\x7fELF\x02\x01" or len(module) < _HEADER.size:
        return module
    *_, sections, _, _, _, _, size, _, names = _HEADER.unpack_from(module)
    try:
        start, length = _PLACE.unpack_from(module, sections + names * size + _PLACE_AT)
    except struct.error:
        return module
    end = start + length
    return _unsigned(module[:start] + module[start:end].replace(b"__mcount_loc\0", b"__ncount_loc\0") + module[end:])


def _unsigned(module: bytes) -> bytes:
    """Without what scripts/sign-file.c put at its end: a signature, struct module_signature with its length, a magic text."""
    if not module.endswith(_SIGNED):
        return module
    end = len(module) - len(_SIGNED)
    return module[:end - _SIGNATURE - int.from_bytes(module[end - 4:end], "big")]


def key(directory: Path, wanted: Iterable[str]) -> str:
    """What tells the modules of a directory from others: its files as they are, what is wanted, and how that is chosen."""
    names = sorted(set(wanted))
    digest = hashlib.sha256(repr(names).encode())
    for code in (initramfs.__file__, __file__):
        digest.update(Path(code).read_bytes())
    digest.update("\n".join(sorted(_statuses(directory))).encode())
    return digest.hexdigest()[:32]


def _statuses(directory: Path) -> Iterator[str]:
    """Of some thousand files, each with its path below the directory: os.walk and Path would take twice as long."""
    left = [(str(directory), "")]
    while left:
        place, below = left.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append((entry.path, f"{below}{entry.name}/"))
                elif ".ko" in entry.name:
                    status = entry.stat()
                    yield f"{below}{entry.name} {status.st_size} {status.st_mtime_ns}"
