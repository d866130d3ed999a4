"""Traces on disk: results/traces/CASE.json has each under the digest of its events, once where several columns agree.

Contract: the standard library, `stored`, `lines`, `cache`. Those of this machine alone are kept apart, as its evidence is not
for version control.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ksem import cache
from ksem.lines import check_event, line
from ksem.stored import SCHEMA, Unreadable, load, set_aside

_TRACES, _OWN_TRACES = "traces", "traces-here"


def folder(column: str) -> str:
    """Where in a results directory a column's traces are."""
    return _OWN_TRACES if column == "local" or column.startswith("image:") else _TRACES


def files(directory: Path) -> list[Path]:
    """All that a results directory has."""
    return sorted(path for place in (_TRACES, _OWN_TRACES) for path in (directory / place).glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    """The traces of a file by name, none where there is none. Raises Unreadable."""
    traces = load(path).get("traces") if path.exists() else {}
    try:
        for event in itertools.chain.from_iterable(traces.values()):
            check_event(event)
    except (AttributeError, TypeError, ValueError):
        raise Unreadable(f"{path} holds no traces of ksem: move it away") from None
    return traces


class Known:
    """The traces that are stored, each file read when it is asked for; one that cannot be read is set aside."""

    def __init__(self, notices: list[str]) -> None:
        self.found: dict[Path, dict[str, Any]] = {}
        self._notices = notices
        self._texts: dict[Path, bytes] = {}

    def at(self, path: Path) -> dict[str, Any]:
        """Those in a file, by name."""
        if path not in self.found:
            try:
                self.found[path] = read(path)
            except Unreadable as problem:
                self._notices.append(f"{problem}; set aside as {set_aside(path).name}")
                self.found[path] = {}
        return self.found[path]

    def has(self, path: Path, name: str) -> bool:
        """Whether a trace is there. A file that says its name is not parsed for that: all together take long."""
        if path not in self._texts:
            self._texts[path] = path.read_bytes() if path.exists() else b""
        return f'"{name}"'.encode() in self._texts[path] or name in self.at(path)


def check(file: Path, traces: Mapping[str, Any], entries: Iterable[Any], path: Path) -> None:
    """Raise Unreadable when a file of traces lacks one that a column's file has cells of, as when only that file was copied."""
    if any("trace" in fields and fields["trace"] not in traces for fields in entries):
        raise Unreadable(f"{file} {'lacks a trace that' if file.exists() else 'is missing, which'} {path} refers to: copy it"
                         f" from where that was made, or move {path.name} away and run its column again")


def digest(trace: Iterable[Any]) -> str:
    """The name of a trace: the first 48 bits of its events' SHA-256."""
    return name(map(line, trace))


def name(lines: Iterable[str]) -> str:
    """The same, of its events as lines of JSON."""
    return hashlib.sha256(f"[{', '.join(lines)}]".encode()).hexdigest()[:12]


def events(trace: Any) -> str:
    """A trace's lines; a list is one that was read."""
    return trace if isinstance(trace, str) else ",\n  ".join(map(line, trace))


def to_write(path: Path, traces: Mapping[str, Any]) -> dict[Path, bytes]:
    """A file of traces with its content, unless it has that already."""
    body = ",\n".join(f" {json.dumps(one)}: [\n  {events(traces[one])}\n ]" for one in sorted(traces))
    data = f'{{"schema": {SCHEMA}, "traces": {{\n{body}\n}}}}\n'.encode()
    return {} if path.exists() and path.read_bytes() == data else {path: data}


def drop_unused(directory: Path, known: Mapping[Path, Mapping[str, Any]]) -> None:
    """Forget traces that no column refers to any more; while a column cannot be read, all are kept.

    known: all that are stored.
    """
    used: dict[Path, set[str]] = {}
    for path in directory.glob("*.json"):
        try:
            data = load(path)
            place = directory / folder(str(data["column"]))
            for case, entries in data["cells"].items():
                names = used.setdefault(place / f"{case}.json", set())
                names.update(fields["trace"] for fields in entries if "trace" in fields)
        except (Unreadable, KeyError, TypeError, AttributeError):
            return
    for path, traces in known.items():
        kept = {name: trace for name, trace in traces.items() if name in used.get(path, ())}
        if not kept:
            path.unlink(missing_ok=True)
        elif len(kept) < len(traces):
            cache.write_together(to_write(path, kept))
