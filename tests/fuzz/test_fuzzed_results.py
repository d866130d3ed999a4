"""Stored evidence that is damaged or hostile: it is read, or refused in one line; what is read, every command can tell of.

Guards: results/ comes by way of pull requests and from machines of others. A traceback, a hang, or a control character on a
terminal is a defect.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import importlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import project
from fuzzing import check_brief, fuzzed, is_plain, spelled, texts_of
from hypothesis import strategies as st

from ksem import agreement, catalog, cite, compare, decide, designs, drift, history, matrix, renderers, repro, store
from ksem.commands import _common
from ksem.matrix import Matrix
from ksem.model import Evidence, KsemError

CASES = ("bind_flags.inherited", "mount_locking.beneath", "availability.openat2", "chown_setid.acl")
COLUMNS = ("debian-5.10", "debian-6.12")
DESIGN = """title = "One"
about = "Some words."
[[claim]]
case = "availability.openat2"
observation = {"inside" = "ok"}
reason = "It is so."
"""


def _small(name: str) -> dict[str, Any]:
    """A committed file with a few cells of each case."""
    data: dict[str, Any] = json.loads((project.ROOT / "results" / f"{name}.json").read_text())
    data["cells"] = {case: data["cells"][case][:2] for case in CASES}
    return data


def _traces(case: str) -> dict[str, Any]:
    """The traces that these cells refer to, their first calls."""
    data: dict[str, Any] = json.loads((project.ROOT / "results" / "traces" / f"{case}.json").read_text())
    wanted = {cell.get("trace") for column in BASES.values() for cell in column["cells"][case]}
    return {"schema": 1, "traces": {name: events[:6] for name, events in data["traces"].items() if name in wanted}}


BASES = {name: _small(name) for name in COLUMNS}
TRACES = {case: _traces(case) for case in CASES}
BEHAVIOURS = [catalog.behaviour(project.ROOT / "cases" / f"{name.replace('.', '/')}.py", project.ROOT / "cases")
              for name in CASES]
TOLD = ("terminal", "markdown", "ktap")


def _with(place: Sequence[Any], value: Any) -> dict[str, bytes]:
    """A column that has something else at a place."""
    base = copy.deepcopy(BASES["debian-6.12"])
    inner: Any = base
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return {"column": spelled(base).encode("utf-8", "surrogatepass")}


CELL = ("cells", CASES[0], 0)


@fuzzed(_with(["release"], "9" * 5000 + ".1"), _with(["column"], "x" * 70_000), _with(["environment"], [["a", 1]]),
        _with(["environment", "os"], "@nested@"), _with(["cells", "../" * 90], []), _with(["cells", "a" * 300], []),
        _with([*CELL, "params"], []), _with([*CELL, "reason"], 5), _with([*CELL, "observation"], ["a"]),
        _with([*CELL, "observation", "a"], "@nested@"), _with([*CELL, "observation", "a"], "@nan@"),
        _with([*CELL, "observation", "a"], "@large@"), _with([*CELL, "trace"], []), _with([*CELL, "status"], "lost"),
        column=texts_of(BASES["debian-6.12"]))
def test_a_column_is_told_of_or_refused(column: bytes) -> None:
    _tell({"debian-6.12.json": column})


@fuzzed(traces=st.sampled_from(CASES).flatmap(lambda case: st.tuples(st.just(case), texts_of(TRACES[case]))), few=20)
def test_traces_are_told_of_or_refused(traces: tuple[str, bytes]) -> None:
    case, text = traces
    _tell({f"traces/{case}.json": text})


@fuzzed(column=texts_of(BASES["debian-6.12"]), traces=texts_of(TRACES[CASES[0]]), few=20)
def test_what_is_written_beside_them_is_whole(column: bytes, traces: bytes) -> None:
    with tempfile.TemporaryDirectory() as text:
        directory = Path(text)
        _put(directory, {"debian-6.12.json": column, f"traces/{CASES[0]}.json": traces})
        kept = _fresh()
        with contextlib.suppress(KsemError):
            store.write(directory, [kept], CASES)
            assert any(cell in store.read_column(directory / "debian-6.12.json").cells for cell in kept.cells)


@functools.cache
def _fresh() -> Evidence:
    """A few cells of the same column, as a run would store them."""
    whole = store.read_column(project.ROOT / "results" / "debian-6.12.json")
    return dataclasses.replace(whole, cells=tuple(cell for cell in whole.cells if cell.case == CASES[1])[:2])


def _put(directory: Path, files: dict[str, bytes]) -> None:
    (directory / "traces").mkdir()
    whole = {f"{name}.json": json.dumps(base).encode() for name, base in BASES.items()}
    whole |= {f"traces/{case}.json": json.dumps(traces).encode() for case, traces in TRACES.items()}
    for name, data in {**whole, **files}.items():
        (directory / name).write_bytes(data)


def _tell(files: dict[str, bytes]) -> None:
    """All that commands make of evidence with such files in it."""
    with tempfile.TemporaryDirectory() as text:
        directory = Path(text)
        _put(directory, files)
        (directory / "design.toml").write_text(DESIGN)
        for traces in (False, True):
            try:
                evidence = [one for _, one in _common.evidence_in([directory], traces)]
                found = matrix.build(BEHAVIOURS, evidence)
            except KsemError as problem:
                check_brief(problem)
                continue
            _render(found)
            _compare(evidence)
            with contextlib.suppress(KsemError):
                design = designs.read(directory / "design.toml", BEHAVIOURS, evidence)
                assert is_plain(decide.text(design, decide.decide(design, found.columns), 80))
            if traces:
                _cite(found)


def _render(found: Matrix) -> None:
    for name in renderers.names():
        text = importlib.import_module(f"ksem.renderers.{name}").render(found)
        text.encode()
        if name in TOLD:
            assert is_plain(text)
        elif name != "html":
            json.loads(text, parse_constant=_no_constant)


def _no_constant(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def _compare(evidence: list[Evidence]) -> None:
    for one in evidence:
        for other in evidence:
            assert is_plain(compare.text(compare.compare(one, other, BEHAVIOURS), BEHAVIOURS, 80))


def _cite(found: Matrix) -> None:
    for section in found.sections:
        assert is_plain(history.text(found, section, 80, every=True))
        agreement.agreement(found, section, section.rows)
        with contextlib.suppress(KsemError):
            mail = cite.cite(found, section)
            assert is_plain(mail)
            assert mail.isascii()
        for row in section.rows:
            for result in row.results:
                with contextlib.suppress(KsemError):
                    column = next(one for one in found.columns if one.column == result.column)
                    repro.program(section.behaviour, result.cell, column).encode("ascii")
    json.dumps([dataclasses.asdict(one) for one in history.histories(found)])
    assert is_plain(drift.text(found))
