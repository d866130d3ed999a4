"""What the page needs for the text of a mail, so that it is the one that `ksem cite` prints.

Contract: pure; `model`, `matrix`, `cite`, `decider`. What is the same for all of a row's cells is text already; of a cell there
is which calls of its trace are shown, and what another kernel answered: the page spells them, as it has the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ksem import cite
from ksem.decider import Decider, deciders
from ksem.matrix import Matrix, Section
from ksem.model import Evidence

# A number for a trace, the same for equal ones.
Numbered = Callable[[Sequence[Any]], int]


def column(evidence: Evidence) -> dict[str, str]:
    """How a mail calls a column: a line on it, and the name that is this very kernel."""
    return {"line": cite.environment_line(evidence), "exact": cite.exact(evidence.column, evidence.release)}


def section(matrix: Matrix, one: Section, numbered: Numbered) -> dict[str, Any]:
    """The texts of a section, by row, and the plans of its cells.

    head: the claim and its sources. rows: what each row's kernels show. cells: for each row and each column by name
    `[plan, other release]`. plans: `[numbers of the calls, how many these are, {number: answer}, {number: {place of a
    descriptor: what it is of}}]`. matrix: as it was built, by release.
    """
    names = [column.column for column in matrix.columns]
    plans: dict[tuple[int, int | None, str], int] = {}
    shown: list[list[Any]] = []

    def numbered_plan(decider: Decider) -> int:
        others = decider.other.cell.trace if decider.other else ()
        key = (numbered(decider.result.cell.trace), numbered(others) if others else None, cite.unexpected_text(decider.result))
        if key not in plans:
            plans[key] = len(shown)
            found = cite.plan(one, decider.result, decider.other)
            shown.append([found.kept, found.count, found.notes, found.named])
        return plans[key]

    rows, cells = [], []
    for row in one.rows:
        rows.append(cite.seen_text(matrix, one, [row], row))
        cells.append({decider.result.column: [numbered_plan(decider), decider.other.release if decider.other else ""]
                      for decider in deciders(row, matrix.columns, names)})
    return {"head": cite.head(one), "rows": rows, "cells": cells, "plans": shown}
