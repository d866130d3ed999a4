"""Saved machines, kept in the cache under the digest of all that shaped them: what is changed has another name.

Contract: the standard library, zstandard, `cache`, `model`. A file is QEMU's migration stream, as one zstd frame with
its size and checksum. Files come to be whole, and the one that was used longest ago goes when all together are larger than the
limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from ksem import cache
from ksem.model import KsemError

DIRECTORY, SUFFIX = "snapshots", ".zst"
# Megabytes of all together, unless the environment says otherwise; one takes some 40.
LIMIT, VARIABLE = 800, "KSEM_SNAPSHOTS"
# A machine with its memory is no larger: what claims to be is damaged.
LARGEST = 1 << 30
# As quick to unpack as to read again; 1 saves a quarter of the room, and takes longer.
LEVEL = -5
# Bytes that a frame's header may have (RFC 8878, 3.1.1.1).
HEADER = 18
# Small enough for the largest that one may become, 256 MB, to be had.
PIECE = 1 << 13
# Seconds after which a file that was not finished is nobody's any more.
ABANDONED = 3600.0


class Damaged(Exception):
    """A snapshot that is there and cannot be used."""


def name(label: str, parts: Iterable[bytes]) -> str:
    """What a machine is kept as. label: for those who look at the cache. parts: all that shapes it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return f"{re.sub(r'[^A-Za-z0-9._+-]', '_', label)}-{digest.hexdigest()[:24]}"


@contextlib.contextmanager
def opened(kept: str) -> Iterator[io.FileIO | None]:
    """The state of a machine, as a file without a name that is at its beginning, or None if there is none. Raises Damaged."""
    try:
        file = _path(kept).open("rb")
    except (OSError, KsemError):
        yield None
        return
    # Not buffered: who reads on by the descriptor begins where we stopped.
    with file, open(os.memfd_create("state"), "w+b", buffering=0) as state:
        _unpacked(file, state)
        with contextlib.suppress(OSError):
            # What a limit goes by; reading does not always change a file's times.
            os.utime(file.fileno())
        yield state


def _unpacked(file: BinaryIO, state: io.FileIO) -> None:
    try:
        size = zstandard.get_frame_parameters(file.read(HEADER)).content_size
        if not 0 < size <= LARGEST:
            raise Damaged("it has no sensible size")
        file.seek(0)
        frame = zstandard.ZstdDecompressor().decompressobj()
        while piece := file.read(PIECE):
            state.write(frame.decompress(piece))
            if state.tell() > size:
                raise Damaged("it is larger than it says")
    except (OSError, zstandard.ZstdError) as error:
        raise Damaged(str(error)) from None
    if not frame.eof:
        # Its checksum is the last of it.
        raise Damaged("it is cut short")
    state.seek(0)


def keep(kept: str, state: bytes) -> None:
    """Keep a machine. Raises KsemError for a cache that cannot be written to, or is full."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    data = compressor.compress(state)
    if len(data) <= limit():
        cache.write_atomically(_path(kept), data)
        trim(limit(), kept)


def discard(kept: str) -> None:
    """Forget one, if it is there and can be removed."""
    with contextlib.suppress(OSError, KsemError):
        _path(kept).unlink(missing_ok=True)


def limit() -> int:
    """How many bytes all may take together. Raises KsemError for a setting that is none."""
    text = os.environ.get(VARIABLE, str(LIMIT))
    if not text.isdecimal():
        raise KsemError(f"{VARIABLE}={text!r} is no number of megabytes")
    return int(text) * 1_000_000


def trim(size: int, newest: str = "") -> None:
    """Remove what was used longest ago until the rest fits; the newest stays. What another run does meanwhile is no error."""
    directory = cache.directory(DIRECTORY)
    with contextlib.suppress(OSError):
        for path in directory.glob(".*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()
        found = sorted(((path.stat(), path) for path in directory.glob(f"*{SUFFIX}")), key=lambda one: -one[0].st_mtime_ns)
        total = 0
        for status, path in sorted(found, key=lambda one: one[1].name != f"{newest}{SUFFIX}"):
            total += status.st_size
            if total > size:
                path.unlink(missing_ok=True)


def _path(kept: str) -> Path:
    return cache.directory(DIRECTORY) / f"{kept}{SUFFIX}"
