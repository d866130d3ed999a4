"""Saved machines, kept in the cache under the digest of all that shaped them: what is changed has another name.

Contract: the standard library, `cache`, `model`. A machine is some areas of memory. Its file has them as they are, one after
the other, so that whoever restores it can map it and need not read what is never looked at; pages of zeros, which are most,
are holes. Behind them is written where everything is, with checksums. Files come to be whole, and the one that was used longest
ago goes when all together are larger than the limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import mmap
import os
import re
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ksem import cache
from ksem.model import KsemError

DIRECTORY, SUFFIX = "snapshots", ".machine"
# Megabytes of all together, unless the environment says otherwise; one takes some 70.
LIMIT, VARIABLE = 1200, "KSEM_SNAPSHOTS"
# A machine with its memory is no larger: what claims to be is damaged.
LARGEST = 1 << 30
# Seconds after which a file that was not finished is nobody's any more.
ABANDONED = 3600.0
PAGE = mmap.PAGESIZE
_ZEROS = bytes(PAGE)
# The last of a file: what it is, since which start of the host and when it was written, how many areas and stretches its table
# has, the checksums of what they hold and of the table. In the table, where each of them begins in the file, and its length.
_END, _ENTRY = struct.Struct("<8s36sQIIII"), struct.Struct("<QQ")
_MAGIC = b"machine1"

Place = tuple[int, int]


class Damaged(Exception):
    """A snapshot that is there and cannot be used."""


@dataclass(frozen=True)
class Kept:
    """A machine's file, which was written at a time (nanoseconds since 1970), in a boot of the host.

    areas: where each begins, and its length; stretches: those of its pages that are no holes.
    """

    file: io.FileIO
    boot: bytes
    written: int
    areas: Sequence[Place]
    stretches: Sequence[Place]
    checksum: int

    def area(self, number: int) -> bytes:
        """What one of them holds."""
        start, size = self.areas[number]
        return os.pread(self.file.fileno(), size, start)

    @contextlib.contextmanager
    def reader(self, number: int) -> Iterator[int]:
        """A descriptor from which to read one of them. It has a place in the file of its own, which no check moves."""
        descriptor = os.open(f"/proc/self/fd/{self.file.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.lseek(descriptor, self.areas[number][0], os.SEEK_SET)
            yield descriptor
        finally:
            os.close(descriptor)

    def check(self) -> None:
        """Raise Damaged unless all is as it was kept.

        That is not looked into as long as nobody wrote to the file, and the host was not started again: it may not have had it
        on its disk when it lost its power.
        """
        descriptor = self.file.fileno()
        if os.fstat(descriptor).st_mtime_ns == self.written and self.boot == cache.boot_id().encode():
            return
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
            if _checksum(view[start:start + size] for start, size in self.stretches) != self.checksum:
                raise Damaged("it does not check")
            # Between them, too, and up to where the last area ends.
            begins = [*(start for start, _ in self.stretches), max((sum(area) for area in self.areas), default=0)]
            for start, end in zip([0, *map(sum, self.stretches)], begins, strict=True):
                if any(view[place:place + size] != bytes(size) for place, size in _data(descriptor, start, end)):
                    raise Damaged("it has something where nothing was")
        with contextlib.suppress(OSError):
            # It need not be looked into again.
            os.utime(descriptor, ns=(time.time_ns(), self.written))


def name(label: str, parts: Iterable[bytes]) -> str:
    """What a machine is kept as. label: for those who look at the cache. parts: all that shapes it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return f"{re.sub(r'[^A-Za-z0-9._+-]', '_', label)}-{digest.hexdigest()[:24]}"


@contextlib.contextmanager
def opened(kept: str) -> Iterator[Kept | None]:
    """A machine, or None if there is none. What it holds is still to be checked. Raises Damaged where even that is told."""
    with contextlib.ExitStack() as stack:
        try:
            path = _path(kept)
            file = stack.enter_context(path.open("rb", buffering=0))
        except (OSError, KsemError):
            yield None
            return
        try:
            found = _read(file)
            if not os.access(path, os.W_OK):
                # Whoever maps it to change it for himself may have to open it for writing, as QEMU does.
                found = _copied(found, stack.enter_context(open(os.memfd_create("machine"), "w+b", buffering=0)))
        except (OSError, struct.error) as error:
            raise Damaged(str(error)) from None
        with contextlib.suppress(OSError):
            # What a limit goes by; reading does not always change a file's times.
            os.utime(file.fileno(), ns=(time.time_ns(), os.fstat(file.fileno()).st_mtime_ns))
        yield found


def doubt(kept: str) -> None:
    """Have all of a machine be checked before it is used again: one that was restored from it died."""
    with contextlib.suppress(OSError, KsemError):
        os.utime(_path(kept))


def _read(file: io.FileIO) -> Kept:
    size = os.fstat(file.fileno()).st_size
    if not _END.size <= size <= LARGEST:
        raise Damaged("it has no sensible size")
    magic, boot, written, areas, stretches, checksum, own = _END.unpack(os.pread(file.fileno(), _END.size, size - _END.size))
    length = _ENTRY.size * (areas + stretches)
    start = size - _END.size - length
    table = os.pread(file.fileno(), length, start) if start >= 0 and length <= size else b""
    if magic != _MAGIC or own != _checksum([table, _END.pack(magic, boot, written, areas, stretches, checksum, 0)]):
        raise Damaged("it is cut short, or none")
    places = list(_ENTRY.iter_unpack(table))
    ends = itertools.accumulate((place for one in places[areas:] for place in (one[0], sum(one))), _ascending, initial=0)
    if max([*ends, *(sum(one) for one in places[:areas])]) > start:
        raise Damaged("it has less than it says")
    return Kept(file, boot, written, places[:areas], places[areas:], checksum)


def _copied(found: Kept, to: io.FileIO) -> Kept:
    to.truncate(max((sum(place) for place in found.areas), default=0))
    for start, size in found.stretches:
        os.pwrite(to.fileno(), os.pread(found.file.fileno(), size, start), start)
    return Kept(to, found.boot, found.written, found.areas, found.stretches, found.checksum)


def _ascending(one: int, other: int) -> int:
    if one > other:
        raise Damaged("its pages are in no order")
    return other


def keep(kept: str, areas: Sequence[bytes | mmap.mmap]) -> None:
    """Keep a machine. Raises KsemError for a cache that cannot be written to, or is full."""
    starts = list(itertools.accumulate((_whole_pages(len(area)) for area in areas), initial=0))
    # Each with its area and its place in it, its place in the file, and its length.
    stretches = [(area, place, start + place, size) for area, start in zip(areas, starts, strict=False)
                 for place, size in _stretches(area)]
    if sum(size for *_, size in stretches) > limit():
        return

    def write(file: IO[bytes]) -> None:
        checksum = 0
        for area, place, at, size in stretches:
            piece = area[place:place + size]
            checksum = zlib.crc32(piece, checksum)
            file.seek(at)
            file.write(piece)
        places = [*zip(starts, map(len, areas), strict=False), *((at, size) for _, _, at, size in stretches)]
        table = b"".join(_ENTRY.pack(*place) for place in places)
        written = time.time_ns()
        end = [_MAGIC, cache.boot_id().encode(), written, len(areas), len(stretches), checksum]
        file.seek(starts[-1])
        file.write(table + _END.pack(*end, _checksum([table, _END.pack(*end, 0)])))
        file.flush()
        os.utime(file.fileno(), ns=(written, written))

    cache.write_atomically(_path(kept), write)
    trim(limit(), kept)


def _stretches(area: bytes | mmap.mmap) -> Iterator[Place]:
    """Where an area has pages that are no zeros, and how many bytes that is; a last one need not be whole."""
    start = None
    for place in range(0, len(area), PAGE):
        empty = area[place:place + PAGE] == _ZEROS
        if start is None and not empty:
            start = place
        elif start is not None and empty:
            yield start, place - start
            start = None
    if start is not None:
        yield start, len(area) - start


def _data(descriptor: int, start: int, end: int) -> Iterator[Place]:
    """Where a file has anything between two places, as far as its filesystem knows."""
    while start < end:
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
            hole = min(end, os.lseek(descriptor, start, os.SEEK_HOLE))
        except OSError:
            return
        if start < hole:
            yield start, hole - start
        start = hole


def _checksum(pieces: Iterable[bytes | memoryview]) -> int:
    checksum = 0
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
    return checksum


def _whole_pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


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
        found = sorted(((path.stat(), path) for path in directory.glob("[!.]*")), key=lambda one: -one[0].st_atime_ns)
        total = 0
        for status, path in sorted(found, key=lambda one: one[1].name != f"{newest}{SUFFIX}"):
            # What they take on the disk: they are sparse.
            total += status.st_blocks * 512
            if total > size:
                path.unlink(missing_ok=True)


def _path(kept: str) -> Path:
    return cache.directory(DIRECTORY) / f"{kept}{SUFFIX}"
