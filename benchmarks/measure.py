"""Runs commands and says what they took, in a cache of their own: the user's is not filled, emptied or believed.

A command gets a session of its own, and is asked to end before it is killed, so that nobody's machines stay behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ksem import cache, catalog

ROOT = Path(__file__).parents[1]
# Small: what is measured with it is what ksem takes, and not the case.
CASE = "id_maps.own_map"
# Seconds until a command is given up, and until one that was asked to end is killed.
PATIENCE, ENDING = 3600.0, 20.0
# What else a run of pytest leaves for one below it; COLUMNS is the width of a terminal to it.
# A Python that keeps nothing of what it compiles is no user's.
_FOREIGN = re.compile(r"PYTEST_|COLUMNS$|KSEM_|PYTHONDONTWRITEBYTECODE$")
_CELLS = re.compile(r"\b(\d+) (passed|failed|skipped|errors?)\b")


class Failed(Exception):
    """Something could not be measured; the message is a line."""


class Run(NamedTuple):
    """A command that ended well: wall-clock and processor seconds (its children's too), and what it printed."""

    seconds: float
    processor: float
    output: str


@dataclass
class Bench:
    """Where it is measured, how often each thing, and who hears of progress."""

    scratch: Path
    rounds: int
    say: Callable[[str], None]
    _warm: set[str] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        """Of every command: this checkout, our cache, our temporary files."""
        kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        return {**kept, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(self.scratch / "cache"), "TMPDIR": str(self.scratch)}

    @property
    def kept(self) -> Path:
        """What ksem keeps, as it is measured."""
        return self.scratch / "cache" / "ksem"

    def ksem(self, *arguments: str, project: Path = ROOT) -> Run:
        """`ksem ARGUMENTS` as from a shell. Raises Failed."""
        return run([sys.executable, "-m", "ksem", "--project", str(project), *arguments], self.environment)

    def cases(self, *arguments: str, project: Path = ROOT) -> Run:
        """`ksem run ARGUMENTS`; its evidence replaces that of the last. Raises Failed, also when a cell is not as expected."""
        return self.ksem("run", *arguments, "--results", str(self.scratch / "results"), project=project)

    def fetch(self, *columns: str) -> None:
        """See that these columns' kernels are there, where the user has them. Raises Failed."""
        kept = {**self.environment, "XDG_CACHE_HOME": str(cache.directory().parent)}
        run([sys.executable, "-m", "ksem", "--project", str(ROOT), "fetch", *columns], kept)

    def warm(self, *columns: str) -> None:
        """See that these columns' machines are kept."""
        missing = [column for column in columns if column not in self._warm]
        if missing:
            self.fetch(*missing)
            self.say(f"booting {', '.join(missing)}")
            self.cases(*missing, "-k", CASE)
            self._warm.update(missing)

    def in_turns(self, **contenders: Callable[[], Run]) -> dict[str, list[Run]]:
        """Each contender once a round, one after another: what else the machine does befalls all of them."""
        found: dict[str, list[Run]] = {name: [] for name in contenders}
        for number in range(1, self.rounds + 1):
            for name, contender in contenders.items():
                found[name].append(contender())
                self.say(f"{name.replace('_', ' ')}, {number} of {self.rounds}: {found[name][-1].seconds:.2f} s")
        return found


def run(command: Sequence[str], environment: Mapping[str, str], statuses: Collection[int] = (0,)) -> Run:
    """What a command took. Raises Failed when it ends with another status, with its last line."""
    before, started = _processor(), time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except BaseException as reason:
            _end(process)
            if isinstance(reason, subprocess.TimeoutExpired):
                raise Failed(f"{_named(command)} did not end within {PATIENCE:.0f} s") from None
            raise
    seconds = time.perf_counter() - started
    if process.returncode not in statuses:
        said = [line.strip() for line in output.splitlines() if line.strip()]
        raise Failed(f"{_named(command)} ended with {process.returncode}: {said[-1] if said else 'it said nothing'}")
    return Run(seconds, _processor() - before, output)


def _end(process: subprocess.Popen[str]) -> None:
    """First politely: ksem ends its machines, which are in sessions of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDING)


def _named(command: Sequence[str]) -> str:
    words = " ".join(Path(word).name if word.startswith("/") else word for word in command)
    return words if len(words) <= 100 else f"{words[:100]}..."


def _processor() -> float:
    """Seconds that all children took which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cells(output: str) -> dict[str, int]:
    """How many cells of a run ended how, as pytest counts them in its last line."""
    return {what.rstrip("s") if what.startswith("error") else what: int(count) for count, what in _CELLS.findall(output)}


def seconds(runs: Sequence[Run]) -> tuple[float, ...]:
    """Of several runs."""
    return tuple(one.seconds for one in runs)


def series() -> list[str]:
    """The columns of a plain `ksem run`: all series."""
    return [column.name for column in catalog.entries(ROOT) if column.default]


def program(name: str, package: str) -> str:
    """Where a program is, an administrator's too. Raises Failed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise Failed(f"{name} is missing: apt-get install {package}")
    return found


@contextlib.contextmanager
def bench(rounds: int, say: Callable[[str], None]) -> Iterator[Bench]:
    """A place to measure in, on the disk of the user's cache, with its kernels; gone afterwards."""
    with tempfile.TemporaryDirectory(dir=cache.directory("benchmarks"), prefix=".run-") as directory:
        made = Bench(Path(directory), rounds, say)
        # A user has evidence of all columns, which a run must not read to add to it.
        shutil.copytree(ROOT / "results", made.scratch / "results")
        archive = made.kept / "debian"
        archive.mkdir(parents=True)
        (archive / "kernels").symlink_to(cache.directory("debian", "kernels"))
        # As if the archive, asked just now, had nothing else: what is measured needs no network.
        (archive / "index.json").write_text("[]")
        note = cache.directory() / "accelerator"
        if note.exists():
            shutil.copy(note, made.kept)
        yield made
