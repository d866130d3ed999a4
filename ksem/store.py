"""Evidence on disk: results/COLUMN.json and results/traces/CASE.json, the same bytes for the same observations.

Contract: the standard library, `model`, `cache` (for atomic writes). Nothing is judged here. A trace is stored once, under the
digest of its events, where several columns agree. A file that cannot be read is never overwritten.

Schema 1: the first.
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ksem import cache
from ksem.model import Cell, Evidence, KsemError

SCHEMA = 1
# Traces of this machine alone are kept apart, as its evidence is not for version control.
TRACES, OWN_TRACES = "traces", "traces-here"
STATUSES = ("observed", "unsupported", "broken", "lost")


class Unreadable(KsemError):
    """A results file of a future schema, cut short, or of another kind."""


def read(directory: Path) -> list[Evidence]:
    """All evidence in a results directory, by column name. Raises Unreadable."""
    # Columns share their traces, which are most of it: each file is parsed once.
    known: dict[Path, dict[str, Any]] = {}
    return [_column(path, known) for path in sorted(directory.glob("*.json"))]


def read_column(path: Path) -> Evidence:
    """The evidence of one column. Raises Unreadable."""
    return _column(path, {})


def _column(path: Path, known: dict[Path, dict[str, Any]]) -> Evidence:
    """The evidence of one column. known: the trace files that were read already, and grows."""
    data = _load(path)
    try:
        folder = path.parent / _folder(str(data["column"]))
        traces = {case: folder / f"{case}.json" for case in data["cells"]}
        known |= {file: _traces(file) for file in traces.values() if file not in known}
        cells = tuple(_cell(case, entry, known[traces[case]]) for case, entries in data["cells"].items() for entry in entries)
        return Evidence(str(data["column"]), str(data["release"]), dict(data["environment"]), cells,
                        remark=str(data.get("remark", "")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"{path} is no results file of ksem ({type(error).__name__}: {error}): "
                         "restore it from version control or move it away") from None


def write(directory: Path, fresh: Iterable[Evidence], cases: Iterable[str],
          is_meant: Callable[[Cell], bool] = lambda cell: True) -> list[str]:
    """Merge fresh evidence into a results directory; cells of cases that are no more go. Returns what was set aside.

    is_meant: whether a case still has the parameter set of a cell.

    Cells that were not run again stay when release and environment are still the same: otherwise they
    would speak of another kernel.
    """
    fresh = list(fresh)
    for folder in {_folder(evidence.column) for evidence in fresh}:
        _make(directory / folder)
    current = set(cases)
    notices = []
    with cache.locked(directory):
        for path in _trace_files(directory):
            try:
                _traces(path)
            except Unreadable as problem:
                notices.append(f"{problem}; set aside as {_set_aside(path).name}")
        for evidence in fresh:
            path = directory / f"{file_name(evidence.column)}.json"
            try:
                old = read_column(path) if path.exists() else None
            except Unreadable as problem:
                notices.append(f"{problem}; set aside as {_set_aside(path).name}")
                old = None
            if old and not _same(old, evidence):
                notices.append(f"{path.name}: {len(old.cells)} cells of another kernel or environment are replaced")
            merged = [cell for cell in _merged(old, evidence) if cell.case in current and is_meant(cell)]
            _write_traces(directory / _folder(evidence.column), merged)
            cache.write_atomically(path, _text(evidence, merged).encode())
        _drop_unused_traces(directory)
    return notices


def check(directory: Path) -> None:
    """Raise KsemError when evidence could not be stored there. Nothing is made yet."""
    there = next(path for path in (directory, *directory.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise KsemError(f"{directory} cannot be written to: give another one with --results")


def file_name(column: str) -> str:
    """A column's name as a file name: image:/path/to/bzImage would leave the directory."""
    return urllib.parse.quote(column, safe="+:")


def _merged(old: Evidence | None, fresh: Evidence) -> list[Cell]:
    cells = {_key(cell): cell for cell in fresh.cells}
    if old and _same(old, fresh):
        cells = {_key(cell): cell for cell in old.cells} | cells
    return [cells[key] for key in sorted(cells)]


def _same(old: Evidence, fresh: Evidence) -> bool:
    """Whether two speak of one kernel in one environment. Which options the cases ask for says nothing of that."""
    def told(one: Evidence) -> dict[str, Any]:
        return {key: value for key, value in one.environment.items() if key != "options"}
    return (old.release, told(old)) == (fresh.release, told(fresh))


def _key(cell: Cell) -> tuple[str, str]:
    return cell.case, json.dumps(dict(cell.params), sort_keys=True)


def _text(evidence: Evidence, cells: list[Cell]) -> str:
    by_case: dict[str, list[str]] = {}
    for cell in cells:
        by_case.setdefault(cell.case, []).append(_line(_entry(cell)))
    head = {"schema": SCHEMA, "column": evidence.column, "release": evidence.release, "remark": evidence.remark}
    lines = [f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items()]
    environment = json.dumps(evidence.environment, indent=1, sort_keys=True).replace("\n", "\n ")
    body = ",\n".join(f"  {json.dumps(case)}: [\n   " + ",\n   ".join(entries) + "\n  ]" for case, entries in by_case.items())
    return "{\n" + "".join(lines) + f' "environment": {environment},\n "cells": {{\n{body}\n }}\n}}\n'


def _entry(cell: Cell) -> dict[str, Any]:
    entry: dict[str, Any] = {"params": dict(cell.params), "status": cell.status}
    if cell.observation is not None:
        entry["observation"] = dict(cell.observation)
    if cell.reason:
        entry["reason"] = cell.reason
    if cell.trace:
        entry["trace"] = digest(cell.trace)
    return entry


def _cell(case: str, entry: Mapping[str, Any], traces: Mapping[str, Any]) -> Cell:
    if entry["status"] not in STATUSES:
        raise ValueError(f"status {entry['status']!r}")
    events = traces[entry["trace"]] if "trace" in entry else ()
    return Cell(case, dict(entry["params"]), entry["status"], entry.get("observation"), entry.get("reason", ""), tuple(events))


def digest(trace: Iterable[Any]) -> str:
    """The name of a trace: the first 48 bits of its events' SHA-256."""
    return hashlib.sha256(_line(list(trace)).encode()).hexdigest()[:12]


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(", ", ": "))


def _load(path: Path) -> Any:
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Unreadable(f"{path} is cut short or no JSON: restore it from version control or move it away") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise Unreadable(f"{path} has schema {schema}, this ksem reads up to {SCHEMA}: use a newer ksem")
    if schema != SCHEMA:
        raise Unreadable(f"{path} is no results file of ksem: move it away")
    return data


def _folder(column: str) -> str:
    return OWN_TRACES if column == "local" or column.startswith("image:") else TRACES


def _trace_files(directory: Path) -> list[Path]:
    return sorted(path for folder in (TRACES, OWN_TRACES) for path in (directory / folder).glob("*.json"))


def _traces(path: Path) -> dict[str, Any]:
    traces = _load(path).get("traces") if path.exists() else {}
    if not isinstance(traces, dict):
        raise Unreadable(f"{path} holds no traces of ksem: move it away")
    return traces


def _write_traces(folder: Path, cells: list[Cell]) -> None:
    """Add the traces of some cells to those that are there."""
    by_case: dict[str, dict[str, Any]] = {}
    for cell in cells:
        if cell.trace:
            by_case.setdefault(cell.case, {})[digest(cell.trace)] = list(cell.trace)
    for case, traces in by_case.items():
        path = folder / f"{case}.json"
        _write_trace_file(path, _traces(path) | traces)


def _write_trace_file(path: Path, traces: Mapping[str, Any]) -> None:
    blocks = (f" {json.dumps(name)}: [\n  " + ",\n  ".join(map(_line, traces[name])) + "\n ]" for name in sorted(traces))
    body = ",\n".join(blocks)
    text = f'{{"schema": {SCHEMA}, "traces": {{\n{body}\n}}}}\n'
    if not path.exists() or path.read_text() != text:
        cache.write_atomically(path, text.encode())


def _drop_unused_traces(directory: Path) -> None:
    """Forget traces that no column refers to any more; files that cannot be read keep all of theirs."""
    used: dict[tuple[str, str], set[str]] = {}
    for path in directory.glob("*.json"):
        try:
            data = _load(path)
            for case, entries in data["cells"].items():
                place = _folder(str(data["column"])), case
                used.setdefault(place, set()).update(entry["trace"] for entry in entries if "trace" in entry)
        except (Unreadable, KeyError, TypeError, AttributeError):
            return
    for path in _trace_files(directory):
        names = used.get((path.parent.name, path.stem), set())
        kept = {name: events for name, events in _traces(path).items() if name in names}
        if kept:
            _write_trace_file(path, kept)
        else:
            path.unlink()


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KsemError(f"{directory} cannot be made: {error.strerror}") from None


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    os.rename(path, aside)
    return aside
