"""Which mutants nobody noticed, case by case: what is to be mended, or explained in its case.

Contract: pure; `mutating`, `wrap` and the cases' data. What counts is a call that survives in every cell that makes it, on all
columns of the run, and in every round of a loop: where some parameter sets have no use for it, others have.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ksem.guest.case import Case
from ksem.mutating import DROP, FLIP, WORD, Finding, Measured
from ksem.wrap import fill

KINDS = (DROP, FLIP)
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass
class Asked:
    """What came of one question over all cells that it was put to, and over all rounds of a loop in them.

    place: the lines of the case, or the functions of a helper. calls: what survived there, as C would write it; line: the first
    of these with its result. made: how many calls the question was put to.
    """

    kind: str
    place: str
    calls: list[str] = field(default_factory=list)
    line: str = ""
    made: int = 0
    survived: int = 0

    @property
    def everywhere(self) -> bool:
        """Whether nobody noticed anywhere."""
        return self.made == self.survived

    def explained(self, case: Case) -> str:
        """The pattern by which the case explains it, or nothing."""
        return next((pattern for pattern in case.survivors
                     if any(fnmatch.fnmatchcase(f"{self.kind} {call}", pattern) for call in self.calls)), "")


Sites = dict[tuple[str, ...], Asked]


def _key(found: Finding) -> tuple[str, ...]:
    """What tells one question from another: the kind, the line, the call and the file that it is about.

    That is the first text among its arguments; the others are what parameters and loops make different.
    """
    if found.helper:
        return found.kind, found.site
    text = _TEXT.search(found.call)
    return found.kind, found.place, found.call.partition("(")[0], text.group() if text else ""


@dataclass
class Tally:
    """What came of all cells of a case, on all columns."""

    mutants: int = 0
    killed: int = 0
    cells: int = 0
    # Why cells were not measured, each once.
    reasons: list[str] = field(default_factory=list)
    sites: Sites = field(default_factory=dict)

    def add(self, cell: Measured, helpers: Sites) -> None:
        """One more cell. helpers: where it is told what became of the calls of helpers."""
        if cell.reason:
            self.reasons += [cell.reason] if cell.reason not in self.reasons else []
            return
        self.mutants, self.killed, self.cells = self.mutants + cell.mutants, self.killed + cell.killed, self.cells + 1
        for found in cell.findings:
            asked = (helpers if found.helper else self.sites).setdefault(_key(found), Asked(found.kind, found.place))
            asked.made += 1
            if found.survived:
                asked.survived += 1
                asked.line = asked.line or found.line
                asked.calls += [found.call] if found.call not in asked.calls else []

    def survivors(self) -> list[list[Asked]]:
        """Those that nobody noticed, in the order in which they are made; what a line does to several files is together."""
        return self._lines(KINDS, True)

    def count(self, kinds: Collection[str], everywhere: bool) -> int:
        """How many lines have some that survive so, everywhere or only now and then."""
        return len(self._lines(kinds, everywhere))

    def _lines(self, kinds: Collection[str], everywhere: bool) -> list[list[Asked]]:
        found: dict[tuple[str, ...], list[Asked]] = {}
        for key, asked in self.sites.items():
            if asked.kind in kinds and asked.survived and asked.everywhere is everywhere:
                found.setdefault(key[:3], []).append(asked)
        return list(found.values())


class Report:
    """What came of all cases of a run. cases: by name. cells: how many each has, on all columns of the run.

    Where not all were measured, others may notice what these did not, and explanations may be theirs: that is no problem.
    """

    def __init__(self, cases: Mapping[str, Case], cells: Mapping[str, int]) -> None:
        self._cases = cases
        self._cells = cells
        self._tallies: dict[str, Tally] = {}
        self._helpers: Sites = {}

    def add(self, case: str, cell: Measured) -> None:
        """One more cell."""
        self._tallies.setdefault(case, Tally()).add(cell, self._helpers)

    def problems(self) -> int:
        """How many survivors are not explained, and how many explanations explain nothing."""
        return sum(len(self._unexplained(name)) + len(self._idle(name)) for name in self._tallies)

    def _whole(self, name: str) -> bool:
        return self._tallies[name].cells == self._cells[name]

    def _unexplained(self, name: str) -> list[list[Asked]]:
        """What is to be mended, or explained: nothing where only a part was run."""
        case = self._cases[name]
        if not self._whole(name):
            return []
        return [alike for alike in self._tallies[name].survivors() if not all(one.explained(case) for one in alike)]

    def _idle(self, name: str) -> list[str]:
        """Explanations that fit nothing; nobody knows where only a part was run."""
        case, tally = self._cases[name], self._tallies[name]
        fitting = {one.explained(case) for one in tally.sites.values() if one.kind in KINDS and one.survived}
        return [pattern for pattern in case.survivors if pattern not in fitting] if self._whole(name) else []

    def text(self, width: int) -> str:
        """The report, case by case, and what all cases make together."""
        told = [line for name in sorted(self._tallies) for line in self._told(name, width)]
        told += [fill(f"no case notices, {one.made} times: {one.kind} {one.line} ({one.place})", width, "", "    ")
                 for one in sorted(self._helpers.values(), key=lambda one: one.place) if one.everywhere]
        tallies = self._tallies.values()
        cells, mutants, killed = (sum(getattr(one, what) for one in tallies) for what in ("cells", "mutants", "killed"))
        survivors = sum(len(one.survivors()) for one in tallies)
        unexplained = sum(len(self._unexplained(name)) for name in self._tallies)
        part = sum(len(one.survivors()) for name, one in self._tallies.items() if not self._whole(name))
        word = sum(one.count([WORD], True) for one in tallies)
        total = (f"{len(tallies)} cases, {cells} cells: {mutants} mutants, {killed} killed; {survivors} lines make calls that"
                 f" survive wherever they are made, {survivors - part - unexplained} explained and {unexplained} not"
                 f"{f', {part} in cases of which a part was run' if part else ''}; {word} take the kernel at its word")
        return "\n".join([*told, fill(total, width, "", "    "), ""])

    def _told(self, name: str, width: int) -> list[str]:
        case, tally = self._cases[name], self._tallies[name]
        whole = self._whole(name)
        cells = f"{tally.cells} cells" if whole else f"{tally.cells} of its {self._cells[name]} cells"
        counts = {cells: 1, f"{tally.mutants} mutants": 1, f"{tally.killed} killed": 1}
        for what, count in (("survive", len(tally.survivors())), ("survive now and then", tally.count(KINDS, False)),
                            ("at its word", tally.count([WORD], True))):
            counts[f"{count} {what}"] = count
        told = [fill(f"{name}: {', '.join(text for text, count in counts.items() if count)}", width, "", "    ")]
        told += [fill(f"not measured: {reason}", width, "    ", "      ") for reason in tally.reasons]
        unexplained = "not explained" if whole else "not noticed by these"
        for alike in tally.survivors():
            first = next((one for one in alike if not one.explained(case)), alike[0])
            files = f" (and {len(alike) - 1} others)" if len(alike) > 1 else ""
            pattern = first.explained(case)
            where = f"{first.kind}, {first.made} times, line {first.place}"
            told += [fill(f"{where}: {first.line}{files}", width, "    ", "      "),
                     fill(f"explained: {case.survivors[pattern]}" if pattern else unexplained, width, "      ", "      ")]
        return [*told, *(fill(f"explains no survivor: {pattern!r}", width, "    ", "      ") for pattern in self._idle(name))]
