"""Evidence on disk: results/COLUMN.json, which refers to `traces`; the same bytes for the same observations.

Contract: the standard library, `model`, `lines`, `stored`, `traces`, `ksem.guest.wire` (for JSON that is sound), `cache` (for
atomic writes). Nothing is judged here. Files may be anybody's: what is read has the shape that ksem/schemas describe, so that
nobody else need look.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import urllib.parse
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ksem import cache, traces
from ksem.guest.wire import check_depth
from ksem.lines import line
from ksem.model import Cell, Evidence, KsemError, release_key
from ksem.stored import SCHEMA, Unreadable, load, set_aside

STATUSES = ("observed", "unsupported", "broken", "lost", "flaky")
# Characters of the name of a column, and the name of a case: files are called so.
NAME, _CASE = 255, re.compile(r"\w[\w.-]{,200}")


class Entry(NamedTuple):
    """A cell as it is stored: nothing but texts, so that it travels and is kept at no cost.

    params: JSON, by which a case's cells are ordered. text: its line of COLUMN.json. trace: the name of its trace, if it has
    one. events: the trace's lines, or nothing when it is stored already.
    """

    case: str
    params: str
    text: str
    trace: str = ""
    events: str = ""


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Hundreds of thousands of values come to be, none of them garbage: the collector would look at them over and over."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def read(directory: Path, traces: bool = True, columns: Collection[str] | None = None) -> list[Evidence]:
    """All evidence in a results directory, by column name. Raises Unreadable.

    traces: whether cells come with theirs, which are most of it. columns: which are wanted, None: all.
    """
    # Columns share their traces: each file is parsed once.
    known: dict[Path, dict[str, Any]] | None = {} if traces else None
    names = None if columns is None else {f"{file_name(one)}.json" for one in columns}
    paths = [path for path in sorted(directory.glob("*.json")) if names is None or path.name in names]
    return [_column(path, load(path), known) for path in paths]


def read_column(path: Path) -> Evidence:
    """The evidence of one column. Raises Unreadable."""
    return _column(path, load(path), {})


def _column(path: Path, data: Any, known: dict[Path, dict[str, Any]] | None) -> Evidence:
    """The evidence of one column, without traces when known is None.

    data: what its file holds. known: the trace files that were read already, and grows.
    """
    try:
        column, release, environment = data["column"], data["release"], data["environment"]
        remark = data.get("remark", "")
        if not isinstance(environment, dict) or not all(isinstance(text, str) for text in (column, release, remark)):
            raise TypeError("column, release, environment or remark")
        if not 0 < len(column) <= NAME:
            raise ValueError(f"column {column!r}")
        release_key(release)
        check_depth(environment)
        folder = path.parent / traces.folder(column)
        cells: list[Cell] = []
        for case, entries in data["cells"].items():
            if not _CASE.fullmatch(case):
                raise ValueError(f"case {case!r}")
            file = folder / f"{case}.json"
            if known is not None and file not in known:
                known[file] = traces.read(file)
            if known is not None:
                traces.check(file, known[file], entries, path)
            cells += [_cell(case, fields, None if known is None else known[file]) for fields in entries]
        return Evidence(column, release, environment, tuple(cells), remark=remark)
    except Unreadable:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OSError, KsemError) as error:
        raise Unreadable(f"{path} is no results file of ksem ({type(error).__name__}: {error!s:.200}): "
                         "restore it from version control or move it away") from None


def entry(cell: Cell, trace: Sequence[str]) -> Entry:
    """A cell as it is stored, with its trace's events as lines of JSON."""
    return _entry(cell, traces.name(trace), ",\n  ".join(trace)) if trace else _entry(cell)


def status_and_reason(entry: Entry) -> tuple[str, str]:
    """How a cell went, and why, if it says so."""
    fields = json.loads(entry.text)
    return fields["status"], fields.get("reason", "")


def write(directory: Path, fresh: Iterable[Evidence], cases: Iterable[str],
          is_meant: Callable[[Entry], bool] = lambda entry: True) -> list[str]:
    """Merge fresh evidence into a results directory; cells of cases that are no more go. Returns what was set aside.

    is_meant: whether a case still has the parameter set of a cell.

    Cells that were not run again stay when release and environment are still the same: otherwise they
    would speak of another kernel.
    """
    entries = ((one, [entry(cell, tuple(map(line, cell.trace))) for cell in one.cells]) for one in fresh)
    return write_entries(directory, entries, cases, is_meant)


@_uncollected()
def write_entries(directory: Path, fresh: Iterable[tuple[Evidence, Sequence[Entry]]], cases: Iterable[str],
                  is_meant: Callable[[Entry], bool]) -> list[str]:
    """The same for columns without their cells, and the cells as they are stored."""
    fresh = list(fresh)
    for folder in {traces.folder(evidence.column) for evidence, _ in fresh}:
        _make(directory / folder)
    current = set(cases)
    notices: list[str] = []
    with cache.locked(directory):
        known = traces.Known(notices)
        columns, forgets = [], False
        for evidence, entries in fresh:
            old = _stored_entries(directory, evidence, known, notices)
            merged = {(one.case, one.params): one for one in [*(old or ()), *entries] if one.case in current and is_meant(one)}
            kept = [merged[key] for key in sorted(merged)]
            columns.append((evidence, kept))
            forgets = forgets or old is None or not _references(old) <= _references(kept)
        # Traces first: at no moment does a column refer to one that is not there.
        files: dict[Path, bytes] = {}
        for path, found in _fresh_traces(directory, columns).items():
            known.found[path] = {name: traces.events(one) for name, one in (known.at(path) | found).items()}
            files |= traces.to_write(path, known.found[path])
        files |= {_path(directory, evidence): _text(evidence, kept).encode() for evidence, kept in columns}
        cache.write_together(files)
        if forgets:
            traces.drop_unused(directory, {path: known.at(path) for path in traces.files(directory)})
    return notices


def check(directory: Path) -> None:
    """Raise KsemError when evidence could not be stored there. Nothing is made yet."""
    try:
        there = next(path for path in (directory, *directory.parents) if path.exists())
        usable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    except PermissionError:
        # Somebody else's directory is above it.
        usable = False
    if not usable:
        raise KsemError(f"{directory} cannot be written to: give another one with --results")


def file_name(column: str) -> str:
    """A column's name as a file name: image:/path/to/bzImage would leave the directory."""
    return urllib.parse.quote(column, safe="+:")


def _path(directory: Path, evidence: Evidence) -> Path:
    return directory / f"{file_name(evidence.column)}.json"


def _stored_entries(directory: Path, fresh: Evidence, known: traces.Known, notices: list[str]) -> list[Entry] | None:
    """What is stored of the same kernel in the same environment; what else is there, or lacks its trace, is noticed.

    None when the column's file, if there is one, tells nothing of which traces it referred to.
    """
    path = _path(directory, fresh)
    if not path.exists():
        return None
    try:
        data = load(path)
        old = _column(path, data, None)
    except Unreadable as problem:
        notices.append(f"{problem}; set aside as {set_aside(path).name}")
        return None
    if not _same(old, fresh):
        notices.append(f"{path.name}: {len(old.cells)} cells of another kernel or environment are replaced")
        return None
    names = (fields.get("trace", "") for entries in data["cells"].values() for fields in entries)
    folder = path.parent / traces.folder(fresh.column)
    entries = [_entry(cell, name) for cell, name in zip(old.cells, names, strict=True)]

    lacking = [one for one in entries if one.trace and not known.has(folder / f"{one.case}.json", one.trace)]
    if lacking:
        cases = ", ".join(sorted({one.case for one in lacking}))
        notices.append(f"{path.name}: {len(lacking)} cells lack their traces and are to be run again ({cases:.150});"
                       f" as it was it is set aside as {set_aside(path).name}")
    return [one for one in entries if one not in lacking] if lacking else entries


def _references(entries: Iterable[Entry]) -> set[tuple[str, str]]:
    return {(one.case, one.trace) for one in entries}


def _same(old: Evidence, fresh: Evidence) -> bool:
    """Whether two speak of one kernel in one environment. Which options the cases ask for says nothing of that."""
    def told(one: Evidence) -> dict[str, Any]:
        return {key: value for key, value in one.environment.items() if key != "options"}
    return (old.release, told(old)) == (fresh.release, told(fresh))


def _text(evidence: Evidence, entries: Iterable[Entry]) -> str:
    by_case: dict[str, list[str]] = {}
    for one in entries:
        by_case.setdefault(one.case, []).append(one.text)
    head = {"schema": SCHEMA, "column": evidence.column, "release": evidence.release, "remark": evidence.remark}
    lines = [f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items()]
    environment = json.dumps(evidence.environment, indent=1, sort_keys=True).replace("\n", "\n ")
    body = ",\n".join(f"  {json.dumps(case)}: [\n   " + ",\n   ".join(texts) + "\n  ]" for case, texts in by_case.items())
    return "{\n" + "".join(lines) + f' "environment": {environment},\n "cells": {{\n{body}\n }}\n}}\n'


def _entry(cell: Cell, trace: str = "", events: str = "") -> Entry:
    fields: dict[str, Any] = {"params": dict(cell.params), "status": cell.status}
    if cell.observation is not None:
        fields["observation"] = dict(cell.observation)
    if cell.reason:
        fields["reason"] = cell.reason
    if trace:
        fields["trace"] = trace
    return Entry(cell.case, line(fields["params"]), line(fields), trace, events)


def _cell(case: str, fields: Mapping[str, Any], traces: Mapping[str, Any] | None) -> Cell:
    params, status = fields["params"], fields["status"]
    observation, reason = fields.get("observation"), fields.get("reason", "")
    if status not in STATUSES:
        raise ValueError(f"status {status!r}")
    if not isinstance(params, dict) or not all(isinstance(value, str | int | float) for value in params.values()):
        raise TypeError("params that are none")
    if not isinstance(observation, dict | None) or not isinstance(reason, str) or not isinstance(fields.get("trace", ""), str):
        raise TypeError("an observation, a reason or a trace that is none")
    check_depth(observation or {})
    events = traces[fields["trace"]] if traces is not None and "trace" in fields else ()
    return Cell(case, params, status, observation, reason, tuple(events))


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KsemError(f"{directory} cannot be made: {error.strerror}") from None


def _fresh_traces(directory: Path, columns: Iterable[tuple[Evidence, Iterable[Entry]]]) -> dict[Path, dict[str, str]]:
    """The events of traces that come with their cells, by file and name."""
    found: dict[Path, dict[str, str]] = {}
    for evidence, entries in columns:
        folder = directory / traces.folder(evidence.column)
        for one in entries:
            if one.events:
                found.setdefault(folder / f"{one.case}.json", {})[one.trace] = one.events
    return found
