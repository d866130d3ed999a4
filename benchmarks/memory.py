"""Memory of machines: what a QEMU takes, what stands beside it for the same machine, and QEMU's own peak.

All told is QEMU's VmRSS (proc(5)), the director's share (Pss), and files in memory that either of them or their parent has open
and none has mapped, at one moment. What several map is counted by share or once.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Figure
from benchmarks.measure import Bench, series

# Seconds between looks.
BETWEEN = 0.2
LIMIT = 350.0
_QEMU, _DIRECTOR = "qemu-system-x86", "python"


class Machine(NamedTuple):
    """What one machine takes, in bytes: its QEMU, its director, unmapped files; who runs its cases; QEMU's peak."""

    qemu: int = 0
    director: int = 0
    files: int = 0
    runner: int = 0
    peak: int = 0

    @property
    def all_told(self) -> int:
        """What goes when the machine goes."""
        return self.qemu + self.director + self.files


def machines(bench: Bench) -> Iterator[Figure]:
    """The whole catalogue on every column, looked at as it runs."""
    names = series()
    bench.warm(*names)
    seen: dict[str, Machine] = {}
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(seen, over))
    watcher.start()
    try:
        bench.say("memory: all cases on all columns")
        bench.cases(*names)
    finally:
        over.set()
        watcher.join()
    name, worst = max(seen.items(), key=lambda one: one[1].all_told)
    yield Figure(f"memory of a machine all told, the largest of {len(seen)}", (worst.all_told / 1e6,), "MB", LIMIT,
                 beside=f"{name}: QEMU {worst.qemu / 1e6:.0f}, director {worst.director / 1e6:.0f},"
                        f" unmapped files {worst.files / 1e6:.0f}")
    yield Figure("  QEMU's peak alone (VmHWM)", tuple(one.peak / 1e6 for one in seen.values()), "MB")
    yield Figure("  the process of ksem's that runs its cases", tuple(one.runner / 1e6 for one in seen.values()), "MB")


def _watch(seen: dict[str, Machine], over: threading.Event) -> None:
    """Keep for each column the moment when it took most, and the peaks that need not be of that moment."""
    while not over.wait(BETWEEN):
        for column, now in _running():
            before = seen.get(column, Machine())
            most = max(before, now, key=lambda one: one.all_told)
            seen[column] = most._replace(runner=max(before.runner, now.runner), peak=max(before.peak, now.peak))


def _running() -> Iterator[tuple[str, Machine]]:
    """The machines that descend from us, by their columns. Processes that end meanwhile are not there."""
    parents = dict(_parents())
    ours = {os.getpid()}
    for pid in sorted(parents):
        # A child may have a lower number than its parent: once more around finds it at the next look.
        if parents[pid] in ours:
            ours.add(pid)
    for pid in ours:
        with contextlib.suppress(OSError, StopIteration):
            if _name(pid) == _QEMU:
                runner = parents[pid]
                directors = [one for one, parent in parents.items() if parent == runner and one != pid
                             and _name(one).startswith(_DIRECTOR)]
                status = Path(f"/proc/{pid}/status").read_text()
                yield column(Path(f"/proc/{pid}/cmdline").read_text()), Machine(
                    resident(status), sum(map(_share, directors)), _unmapped([pid, runner, *directors]), _share(runner),
                    peak(status))


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                yield int(entry.name), int((entry / "stat").read_text().rpartition(")")[2].split()[1])


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _share(pid: int) -> int:
    return share(Path(f"/proc/{pid}/smaps_rollup").read_text())


def column(command: str) -> str:
    """The column whose console a QEMU writes. command: as /proc has it. Raises StopIteration for another QEMU."""
    return next(found.group(1) for found in re.finditer(r"id=console,path=[^\0]*/([^/\0]+)\.log", command))


def peak(status: str) -> int:
    """VmHWM of /proc/PID/status, in bytes."""
    return _kilobytes(status, "VmHWM")


def resident(status: str) -> int:
    """VmRSS of /proc/PID/status, in bytes."""
    return _kilobytes(status, "VmRSS")


def share(rollup: str) -> int:
    """Pss of /proc/PID/smaps_rollup, in bytes."""
    return _kilobytes(rollup, "Pss")


def _kilobytes(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB$", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def _unmapped(pids: Iterable[int]) -> int:
    """Bytes of the files in memory that some processes have open and none of them has mapped."""
    sizes: dict[int, int] = {}
    mapped: set[int] = set()
    for pid in pids:
        mapped |= {int(inode) for inode in re.findall(r" (\d+) +/memfd:", Path(f"/proc/{pid}/maps").read_text())}
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(descriptor).startswith("/memfd:"):
                    status = descriptor.stat()
                    sizes[status.st_ino] = status.st_blocks * 512
    return sum(size for inode, size in sizes.items() if inode not in mapped)
