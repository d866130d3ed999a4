"""What workers tell of their cells, put together and stored.

Contract: `model`, `store`, `compare`, `catalog`, `lines`. A message is builtin-typed: `column`, and what there is to tell of
`entry` (a cell as it is stored), `head` (release, environment and remark, once, and again where they changed), `problem` and
`lost` (why the column could not be had), `outcome` (what became of a cell that is compared) and `rate` (how often it passed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ksem import store
from ksem.catalog import Behaviour
from ksem.compare import Difference, Kind
from ksem.guest.case import combinations
from ksem.lines import line
from ksem.model import Evidence, Unavailable


class Collected:
    """All that was seen in a run. problems: why columns could not be had. outcomes: what became of each column's cells.

    rates: of each cell that was run more than once, how often it passed; nothing if it does not vary.
    """

    def __init__(self) -> None:
        self.problems: dict[str, Unavailable] = {}
        self.outcomes: dict[str, list[Difference]] = {}
        self.rates: list[str] = []
        self._heads: dict[str, Evidence] = {}
        self._entries: dict[str, list[store.Entry]] = {}
        self._events: dict[str, str] = {}

    @property
    def has_cells(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._entries)

    def take(self, message: Mapping[str, Any]) -> None:
        """One more message."""
        column = message["column"]
        if "outcome" in message:
            kind, case, params, told = message["outcome"]
            self.outcomes.setdefault(column, []).append(Difference(Kind(kind), case, params, tuple(told)))
        if "rate" in message:
            self.rates.append(message["rate"])
        if "problem" in message:
            self.problems[column] = Unavailable(message["problem"], message["lost"])
        if "head" in message:
            self._take_head(Evidence(column, **message["head"], cells=()))
        if "entry" in message:
            entry = store.Entry(*message["entry"])
            # Columns share most traces: each is kept once.
            events = self._events.setdefault(entry.trace, entry.events)
            self._entries.setdefault(column, []).append(entry._replace(events=events))

    def _take_head(self, head: Evidence) -> None:
        """Who took a column over may have it in another environment, and evidence speaks of one."""
        known = self._heads.setdefault(head.column, head)
        if known != head:
            dropped = len(self._entries.pop(head.column, ()))
            self._heads[head.column] = head
            self.problems[head.column] = Unavailable(
                f"{head.column}: {dropped} cells were seen in another environment than the others, and are left out")

    def lose_what_never_came_up(self) -> None:
        """Lost cells of a column without a head are no evidence of any kernel: the column could not be had."""
        for column in self._entries.keys() - self._heads.keys():
            reason = store.status_and_reason(self._entries.pop(column)[-1])[1]
            self.problems.setdefault(column, Unavailable(f"{column}: lost: {reason}", lost=True))

    def write(self, results: Path, behaviours: Iterable[Behaviour]) -> list[str]:
        """Store all cells, those of an interrupted run too: each is whole. Returns what is to be told. Raises KsemError."""
        fresh = [(self._heads[column], entries) for column, entries in self._entries.items()]
        meant = {(one.name, line(params)) for one in behaviours for params in combinations(one.case)}
        return store.write_entries(results, fresh, {name for name, _ in meant}, lambda entry: entry[:2] in meant)
