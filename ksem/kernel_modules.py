"""The modules of a kernel as they go into an initramfs, unpacked once: to find, unpack and sort them takes half a second.

Contract: the standard library, zstandard, `cache`, `initramfs`, `model`. What is kept belongs to the files that were read, as
they are, and to the code that chose among them: when either changes, it is made anew. Which ones those are is noted: a kernel
may have 4,000 modules, and to ask after each of them takes longer than to restore a machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import marshal
import os
import stat
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import zstandard

from ksem import cache, initramfs
from ksem.model import KsemError

_SIGNED, _SIGNATURE = b"~Module signature appended~\n", 12
# Elf64_Ehdr, and where a Elf64_Shdr has sh_offset and sh_size (elf(5)).
_HEADER, _PLACE, _PLACE_AT = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<QQ"), 24
# Nanoseconds for which a directory is not to have changed before anything is noted of it.
SETTLED = 20_000_000
Files = tuple[dict[str, bytes], dict[str, list[str]]]


def files(directory: Path, wanted: Iterable[str]) -> Files:
    """What `initramfs.module_files` returns. directory: the one that holds `kernel/`."""
    names = sorted(set(wanted))
    # What was not kept yet, or is damaged, is made; a cache that cannot be written to costs time alone.
    with contextlib.suppress(KsemError, OSError, zstandard.ZstdError):
        data = (cache.directory("modules") / key(directory, names)).read_bytes()
        kept: Files = marshal.loads(zstandard.ZstdDecompressor().decompress(data))
        return kept
    return _made(directory, names)[0]


def key(directory: Path, wanted: Iterable[str]) -> str:
    """What tells the modules of a directory from others: what is wanted, how that is chosen, and the files that it took."""
    names = sorted(set(wanted))
    with contextlib.suppress(KsemError, OSError, ValueError, TypeError, RecursionError):
        noted = json.loads((cache.directory("modules") / _note(directory, names)).read_text())
        # Of a directory that was not there, nothing was noted.
        if noted and noted == {path: _status(directory / path) for path in noted}:
            return _key(names, noted)
    return _key(names, _made(directory, names)[1])


def _made(directory: Path, names: list[str]) -> tuple[Files, dict[str, list[int]]]:
    """Those modules, and what to look at to tell whether they still are the same; both are kept.

    The latter are, by their paths, all directories, as their times tell whether there are other files, and what was read.
    """
    began = time.time_ns()
    seen = {os.path.relpath(place, directory): _status(place) for place, _, _ in os.walk(directory)}
    # A clock that stamps files may stand still for 10 ms: what changes again in the same moment would not be seen.
    settled = all(max(status[0], status[3]) + SETTLED < began for status in seen.values())

    def read(path: Path) -> bytes:
        # First, so that what changes meanwhile is noticed.
        seen.setdefault(str(path.relative_to(directory)), _status(path))
        return initramfs.decompressed(path)

    found = initramfs.module_files(directory, names, read)
    with contextlib.suppress(KsemError):
        place = cache.directory("modules")
        data = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(marshal.dumps(found))
        cache.write_atomically(place / _key(names, seen), data)
        if settled:
            cache.write_atomically(place / _note(directory, names), json.dumps(seen).encode())
    return found, seen


def _status(path: Path | str) -> list[int]:
    """What changes when a file does, first of all its time; and of what is no directory its size."""
    found = os.stat(path)
    size = [] if stat.S_ISDIR(found.st_mode) else [found.st_size]
    return [found.st_mtime_ns, found.st_dev, found.st_ino, found.st_ctime_ns, *size]


def _key(names: list[str], seen: Mapping[str, list[int]]) -> str:
    """By the times and sizes of files; another one in a directory need not be one of these, and elsewhere they are the same."""
    return _digest(names, sorted((path, status[0], status[4]) for path, status in seen.items() if len(status) > 4))


def _note(directory: Path, names: list[str]) -> str:
    """What the note on the modules of a directory is called."""
    return f"{_digest(str(directory.absolute()), names)}.json"


def _digest(*parts: object) -> str:
    code = b"".join(Path(module).read_bytes() for module in (initramfs.__file__, __file__))
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape") + code).hexdigest()[:32]


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
