"""One cell from several runs of it: what they agree in, or that they do not.

Contract: pure; `model`, `judge`, `lines` and the case's data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ksem.guest.case import Case
from ksem.judge import judge
from ksem.lines import line
from ksem.model import Cell, Evidence, Verdict

# A run of a cell: what it saw, and its trace as lines.
Run = tuple[Cell, tuple[str, ...]]


def times(text: str) -> int:
    """How often, as a user says it. Raises ValueError."""
    if int(text) < 1:
        raise ValueError("must be more than 0")
    return int(text)


def together(runs: Sequence[Run]) -> Run:
    """The first run when all are the same to the last system call; else a cell that is flaky, and says how they differ."""
    first, _ = runs[0]
    others = [(number, one) for number, one in enumerate(runs, 1) if not _same(one, runs[0])]
    if not others:
        return runs[0]
    number, (cell, _) = others[0]
    how = "other system calls" if cell == first else f"{_told(cell)}, not {_told(first)}"
    reason = f"{len(others)} of {len(runs)} runs are not as the first; run {number}: {how}"
    return dataclasses.replace(first, status="flaky", observation=None, reason=reason), ()


def varying(case: Case, runs: Sequence[Run], evidence: Evidence) -> str:
    """How many of runs that are not all the same pass, as they would alone; nothing of those that are."""
    if all(_same(one, runs[0]) for one in runs):
        return ""
    verdicts = [judge(case, cell, evidence).verdict for cell, _ in runs]
    passed = sum(one in (Verdict.CONFORMS, Verdict.UNSUPPORTED) for one in verdicts)
    cell, _ = runs[0]
    return f"{cell.case} {line(dict(cell.params))} on {evidence.column}: {passed} of {len(runs)} as expected"


def _same(one: Run, other: Run) -> bool:
    """Of two that lost their machines, what these said last need not be the same: it has the time of day."""
    return one == other or {one[0].status, other[0].status} == {"lost"}


def _told(cell: Cell) -> str:
    return line(cell.observation) if cell.status == "observed" else f"{cell.status} ({cell.reason})"
