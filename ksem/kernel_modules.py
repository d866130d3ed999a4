"""The modules of a kernel as they go into an initramfs, unpacked once: to find, unpack and sort them takes half a second.

Contract: the standard library, zstandard, `cache`, `initramfs`, `model`. What is kept belongs to a directory's files as they
are and to the code that chose among them: when either changes, it is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
from collections.abc import Iterable
from pathlib import Path

import zstandard

from ksem import cache, initramfs
from ksem.model import KsemError

Files = tuple[dict[str, bytes], dict[str, list[str]]]


def files(directory: Path, wanted: Iterable[str]) -> Files:
    """What `initramfs.module_files` returns. directory: the one that holds `kernel/`."""
    names = sorted(set(wanted))
    key = _key(directory, names)
    # What was not kept yet, or is damaged, is made; a cache that cannot be written to costs time alone.
    with contextlib.suppress(KsemError, OSError, zstandard.ZstdError):
        kept: Files = marshal.loads(zstandard.ZstdDecompressor().decompress((cache.directory("modules") / key).read_bytes()))
        return kept
    found = initramfs.module_files(directory, names)
    with contextlib.suppress(KsemError):
        data = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(marshal.dumps(found))
        cache.write_atomically(cache.directory("modules") / key, data)
    return found


def _key(directory: Path, names: list[str]) -> str:
    digest = hashlib.sha256(repr(names).encode() + Path(initramfs.__file__).read_bytes())
    for parent, folders, members in os.walk(directory):
        folders.sort()
        for name in sorted(members):
            if ".ko" in name:
                status = os.stat(os.path.join(parent, name))
                digest.update(f"{os.path.relpath(parent, directory)}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]
