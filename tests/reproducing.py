"""Reproducers compiled, brought into a machine and run there: all in one static binary, which runs the one of a number."""

from __future__ import annotations

import itertools
import json
import stat
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import project

from ksem import catalog, initramfs, kernels, repro, traces
from ksem.backends import qemu
from ksem.guest.case import needs_of
from ksem.guest.flags import ERRNO
from ksem.machine import Request
from ksem.model import Cell, Evidence

# What the header of each program tells a reader to use, and what a list's maintainer would.
COMPILER = ("gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
SECONDS = 60.0
PLACE = "ksem/reproducers"
# The case that runs one of them: it has an empty directory and a mount namespace of its own already, like any.
RUN = f'''
from ksem.guest.executor import CLOSE, DUP2, EXIT_GROUP, PIPE2, READ, WAIT4, WALL, At

RT_SIGPROCMASK, SIG_SETMASK, EXECVE = 14, 2, 59


def observe(lab, number):
    arena = lab.task.arena
    # What is put into the arena stays there for several turns: none of the lab's own may be waiting.
    lab.finish()
    # Not in the lab: beside it, where the machine's own mounts are.
    runner = arena.fork()
    arena.clear()
    words = [arena.text(word) for word in ("/{PLACE}", str(number), "alone")]
    arguments = arena.put(b"".join(word.to_bytes(8, "little") for word in [*words, 0]))
    nothing, pair, status, said = arena.put(bytes(8)), arena.put(bytes(8)), arena.put(bytes(8)), arena.reserve(4096)
    _, fork = runner.child([(DUP2, At(pair + 4), 1), (DUP2, At(pair + 4), 2), (CLOSE, At(pair)), (CLOSE, At(pair + 4)),
                            (RT_SIGPROCMASK, SIG_SETMASK, nothing, 0, 8), (EXECVE, words[0], arguments, nothing),
                            (EXIT_GROUP, 126)])
    _, pid, _ = runner.calls([(PIPE2, pair, 0), fork, (CLOSE, At(pair + 4))])
    text = b""
    while True:
        length, = runner.calls([(READ, At(pair), said, 4096)])
        if length <= 0:
            break
        text += arena.take(said, length)
    runner.calls([(WAIT4, pid, status, WALL, 0)])
    return {{"said": text.decode("ascii"), "status": int.from_bytes(arena.take(status, 4), "little")}}
'''


@dataclass(frozen=True)
class Ended:
    """How a reproducer ended: its exit status, or what else became of it, and what it printed."""

    status: int | str
    said: str

    @property
    def differing(self) -> str:
        """The lines that are not as expected, and the last."""
        return "\n".join(line for line in self.said.splitlines() if not line.startswith("same"))


def key(cell: Cell) -> str:
    """What programs are the same by, but for what they say of their column."""
    return f"{cell.case} {json.dumps(dict(cell.params), sort_keys=True)} {traces.digest(cell.trace)}"


def observed(evidence: Evidence, behaviours: Mapping[str, catalog.Behaviour]) -> list[Cell]:
    """The cells of a column that hold a trace."""
    return [cell for cell in evidence.cells if cell.status == "observed" and cell.case in behaviours]


def covering(cells: Iterable[Cell]) -> list[Cell]:
    """As few cells as hold, for each case, each of its calls with each of its outcomes: `ok` or an errno."""
    chosen = []
    for _, group in itertools.groupby(cells, key=lambda cell: cell.case):
        left = {cell_key: (cell, _outcomes(cell)) for cell_key, cell in ((key(one), one) for one in group)}
        missing = set().union(*(outcomes for _, outcomes in left.values()))
        while missing:
            best = max(left, key=lambda one: len(left[one][1] & missing))
            cell, outcomes = left.pop(best)
            missing -= outcomes
            chosen.append(cell)
    return chosen


def _outcomes(cell: Cell) -> set[tuple[str, str]]:
    return {(call, result if result in ERRNO.values() else "ok") for _, _, call, _, result in cell.trace}


class Binary:
    """The programs of some cells in one binary.

    A cell whose trace is another column's too has that column's program.
    """

    def __init__(self, directory: Path, columns: Mapping[str, tuple[Evidence, list[Cell]]]) -> None:
        self.behaviours = {one.name: one for one in catalog.behaviours(project.ROOT)}
        self._directory = directory
        texts: dict[str, str] = {}
        for evidence, cells in columns.values():
            for cell in cells:
                if key(cell) not in texts:
                    texts[key(cell)] = repro.program(self.behaviours[cell.case], cell, evidence)
        self._numbers = {one: number for number, one in enumerate(texts)}
        with ThreadPoolExecutor(2) as pool:
            objects = list(pool.map(self._compiled, range(len(texts)), texts.values()))
        self.path = self._linked(objects)

    def _compiled(self, number: int, text: str) -> Path:
        source = self._directory / f"{number}.c"
        source.write_text(text, encoding="ascii")
        made = source.with_suffix(".o")
        done = subprocess.run([*COMPILER, f"-Dmain=reproducer_{number}", "-c", "-o", made, source], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        return made

    def _linked(self, objects: list[Path]) -> Path:
        names = [f"reproducer_{number}" for number in range(len(objects))]
        main = self._directory / "main.c"
        main.write_text("\n".join([
            "#include <stdlib.h>", *(f"int {name}(int, char **);" for name in names),
            f"static int (*const all[])(int, char **) = {{ {', '.join(names)} }};",
            "int main(int count, char **words) { return count > 1 ? all[atoi(words[1])](count - 1, words + 1) : 2; }", ""]))
        made = self._directory / "all"
        subprocess.run([*COMPILER, "-static", "-o", made, main, *objects], check=True)
        return made

    def run_on(self, column: str, cells: Iterable[Cell], say: Callable[[str], None]) -> dict[str, Ended]:
        """Boot a column and run the programs of some cells there, by their keys."""
        wanted = catalog.column(column, catalog.entries(project.ROOT))
        kernel = kernels.source_of(wanted).resolve(wanted, say)
        modules = frozenset[str]().union(*(one.modules for one in self.behaviours.values()))
        archive = initramfs.cpio({PLACE: (stat.S_IFREG | 0o755, self.path.read_bytes())})
        ended = {}
        with qemu.begun(wanted, kernel, modules, self._directory / "console.log", say, archive) as coming:
            running = coming.running()
            for cell in cells:
                needs = needs_of(self.behaviours[cell.case].case, dict(cell.params))
                answer = running.machine.run(Request("made.run", RUN, {"number": self._numbers[key(cell)]}, needs, SECONDS))
                seen = answer.observation
                ended[key(cell)] = Ended(seen["status"] >> 8, seen["said"]) if seen else Ended(
                    f"{answer.status}: {answer.reason}", answer.traceback)
        return ended
