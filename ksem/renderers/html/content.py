"""A matrix as the data of the page: what is shown at once, and, packed, the evidence that a cell opens.

Contract: pure; `matrix`, `model`, `seen`, `mail`, the names of the system calls, the standard library. Whatever stands in many
cells is there once: a row refers to its section's distinct cells, evidence to distinct observations, traces and events, all by
index.

A kind is a behaviour: the number of the observation among those of its row, 0 for the newest release's. A cell of a row
is `[verdict, kind, brief]`, kind None where nothing was observed, brief the value that tells its behaviour from the
others.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ksem.guest.syscalls import SIGNATURES
from ksem.matrix import Matrix, Row, Section, leaves, ranges
from ksem.model import NO_RELEASE, Evidence, Result, Verdict, release_key, series_of
from ksem.renderers.html import mail
from ksem.seen import unexpected
from ksem.wrap import escaped

# A case's verdict on a column is the first of these that one of its parameter sets has.
GRAVEST = (Verdict.LOST, Verdict.FLAKY, Verdict.BROKEN, Verdict.DIFFERS, Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.UNKNOWN)
# Those of them that are nobody's expectation.
TROUBLE = GRAVEST[:4]
Kind = int | None
Shown = list[Any]


class Distinct:
    """Values by number, each once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        """The number of a value, which JSON can say."""
        key = json.dumps(value, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def by_environment(matrix: Matrix) -> Matrix:
    """The matrix with a backend's columns side by side, each by release; the backend with most columns comes first."""
    sizes = Counter(_backend(column) for column in matrix.columns)
    order = sorted(range(len(matrix.columns)), key=lambda number: (
        -sizes[_backend(matrix.columns[number])], _backend(matrix.columns[number]), number))
    return replace(matrix, columns=tuple(matrix.columns[number] for number in order), sections=tuple(
        replace(section, rows=tuple(replace(row, results=tuple(row.results[number] for number in order))
                                    for row in section.rows)) for section in matrix.sections))


def _backend(column: Evidence) -> str:
    return str(column.environment.get("backend") or "")


def overview(matrix: Matrix) -> dict[str, Any]:
    """What the page shows at once: columns, and sections with their cells."""
    newest = _newest_first(matrix.columns)
    shown = {
        "columns": [_column(column, matrix) for column in matrix.columns],
        "sections": [_section(section, newest) for section in matrix.sections],
        "designs": {name: list(cases) for name, cases in matrix.designs.items()},
    }
    return {key: _printable(value) for key, value in shown.items()}


def packed(matrix: Matrix, built: Matrix) -> dict[str, Any]:
    """The evidence: a text for each section in its order, one for the columns' environments; see `pack`.

    built: the matrix in the order of releases.
    """
    environments = [leaves(column.environment) for column in matrix.columns]
    return {"environments": pack(_printable(environments)),
            "cases": [pack(_printable(_evidence(section, matrix, mailed, built)))
                      for section, mailed in zip(matrix.sections, built.sections, strict=True)]}


def pack(value: Any) -> str:
    """JSON, deflated without a header, in base64: a tenth of it, and every browser can undo it."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.b64encode(stream.compress(text) + stream.flush()).decode()


def _printable(value: Any) -> Any:
    """All texts as they may be shown: no control characters, no direction marks, no half of a character."""
    if isinstance(value, str):
        return escaped(value, keep="\n")
    if isinstance(value, Mapping):
        return {escaped(str(key)): _printable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(inner) for inner in value]
    return value


def _newest_first(columns: Sequence[Evidence]) -> list[int]:
    """The columns' numbers, the newest release's first."""
    return sorted(range(len(columns)), key=lambda number: release_key(columns[number].release), reverse=True)


def _column(column: Evidence, matrix: Matrix) -> dict[str, Any]:
    known = column.release != NO_RELEASE
    surroundings = (column.environment.get(key) for key in ("backend", "accelerator", "package", "os"))
    return {
        "name": column.column, "release": column.release if known else "", "series": series_of(column.release) if known else "",
        "backend": _backend(column),
        "about": ", ".join(str(one) for one in surroundings if one), "remark": column.problem or column.remark,
        **mail.column(column),
        "counts": {verdict.value: count for verdict, count in matrix.counts(column.column).items()},
    }


def _section(section: Section, newest: Sequence[int]) -> dict[str, Any]:
    case, cells = section.behaviour.case, Distinct()
    kinds = [_kinds(row, newest) for row in section.rows]
    rows = [[cells.number(one) for one in _cells(row, found)] for row, found in zip(section.rows, kinds, strict=True)]
    summary = [cells.number(one) for one in _summary(section.rows, kinds, newest)]
    calls = {event[2] for result in _results(section) for event in result.cell.trace}
    return {
        "name": section.behaviour.name, "area": section.behaviour.area, "claim": case.claim, "documented": case.documented,
        "params": list(case.params), "calls": sorted(calls), "cells": cells.values, "summary": summary,
        "rows": [[*row.params.values(), numbers] for row, numbers in zip(section.rows, rows, strict=True)],
    }


def _results(section: Section) -> Iterable[Result]:
    return (result for row in section.rows for result in row.results)


def _kinds(row: Row, newest: Sequence[int]) -> list[Kind]:
    found = Distinct()
    kinds: list[Kind] = [None] * len(row.results)
    for number in newest:
        if (observation := row.results[number].cell.observation) is not None:
            kinds[number] = found.number(observation)
    return kinds


def _cells(row: Row, kinds: Sequence[Kind]) -> list[Shown]:
    """A row's cells. Where behaviours differ, the value that tells most of them apart is the brief."""
    seen = [leaves(result.cell.observation) if result.cell.observation is not None else {} for result in row.results]
    path = _telling(seen) if len(set(kinds) - {None}) > 1 else None
    briefs = [one.get(path, "absent") if path is not None and one else "" for one in seen]
    return [[result.verdict.value, kind, _wrong(result) if result.verdict is Verdict.DIFFERS else brief]
            for result, kind, brief in zip(row.results, kinds, briefs, strict=True)]


def _telling(seen: Sequence[Mapping[str, str]]) -> str:
    """The path whose values tell most observations apart; of several the one with the shortest values."""
    observed = [one for one in seen if one]
    paths = list(dict.fromkeys(path for one in observed for path in one))
    values = {path: {one.get(path, "absent") for one in observed} for path in paths}
    return min(paths, key=lambda path: (-len(values[path]), max(map(len, values[path]))))


def _wrong(result: Result) -> str:
    """The first value that is not as expected; of what is told apart by its shape alone, all."""
    return next((was for _, was, _ in unexpected(result)), json.dumps(result.cell.observation))


def _summary(rows: Sequence[Row], kinds: Sequence[Sequence[Kind]], newest: Sequence[int]) -> list[Shown]:
    """A cell for the whole case on each column: behaviours are told apart by all rows, and counted against the newest's."""
    seen = [tuple(row[number] for row in kinds) for number in range(len(newest))]
    found: list[tuple[Kind, ...]] = []
    numbers: dict[int, int] = {}
    for number in newest:
        if any(kind is not None for kind in seen[number]):
            # Who saw less may be like several: the newest of them.
            like = next((index for index, one in enumerate(found) if _agree(one, seen[number])), len(found))
            found += [seen[number]] if like == len(found) else []
            numbers[number] = like
    return [_summed([row.results[number].verdict for row in rows], numbers.get(number), sum(map(bool, seen[number])))
            for number in range(len(newest))]


def _agree(one: Sequence[Kind], other: Sequence[Kind]) -> bool:
    return all(left == right for left, right in zip(one, other, strict=True) if left is not None and right is not None)


def _summed(verdicts: Sequence[Verdict], kind: Kind, others: int) -> Shown:
    counts = Counter(verdicts)
    verdict = next((one for one in GRAVEST if counts[one]), Verdict.UNKNOWN)
    if verdict in TROUBLE:
        return [verdict.value, kind, f"{counts[verdict]}/{len(verdicts)}"]
    ran = counts[Verdict.CONFORMS]
    brief = f"\u2260{others}" if others else f"{ran}/{len(verdicts)}" if 0 < ran < len(verdicts) else ""
    return [verdict.value, kind, brief]


def _evidence(section: Section, matrix: Matrix, mailed: Section, built: Matrix) -> dict[str, Any]:
    """All that lies behind a section's cells. An entry is what a cell refers to.

    mailed: the section in the order of releases.
    """
    case, order = section.behaviour.case, [column.column for column in matrix.columns]
    texts, events, entries = Distinct(), Distinct(), Distinct()
    traces: list[list[int]] = []
    # Columns that agree share the very events: these need not be compared again. Nor need equal ones be taken apart twice.
    known: dict[tuple[int, ...], int] = {}
    whole = Distinct()

    def numbered(trace: Sequence[Any]) -> int:
        key = tuple(map(id, trace))
        if key not in known:
            known[key] = whole.number(trace)
            if known[key] == len(traces):
                traces.append([events.number(event) for event in trace])
        return known[key]

    def entry(result: Result) -> int:
        cell = result.cell
        seen = leaves(cell.observation) if cell.observation is not None else None
        return entries.number([*map(texts.number, (seen, leaves(result.expected), result.cites, cell.reason)),
                               numbered(cell.trace)])

    readers = {event[2] for result in _results(section) for event in result.cell.trace} - set(SIGNATURES)
    found = mail.section(built, mailed, numbered)
    mails = Distinct()
    return {
        "mail": found["head"], "plans": found["plans"],
        "readers": sorted(readers), "prose": section.behaviour.prose, "cites": list(case.cites),
        "rows": [{"entries": [entry(result) for result in row.results], "groups": _groups(row, order), "seen": told,
                  "mails": [mails.number(cells.get(name)) for name in order]}
                 for row, told, cells in zip(section.rows, found["rows"], found["cells"], strict=True)],
        "mails": mails.values,
        "entries": entries.values, "texts": texts.values, "traces": traces, "events": events.values,
    }


def _groups(row: Row, order: Sequence[str]) -> list[list[Any]]:
    """The columns of a row that agree: `[their names drawn together, the number of the newest]`, the newest first."""
    found: dict[str, list[int]] = {}
    for number in sorted(range(len(order)), key=lambda number: release_key(row.results[number].release), reverse=True):
        result = row.results[number]
        look = json.dumps([result.verdict, result.cell.observation, result.cell.reason], sort_keys=True)
        if result.verdict is not Verdict.UNKNOWN:
            found.setdefault(look, []).append(number)
    return [[ranges([order[number] for number in group], order), group[0]] for group in found.values()]
