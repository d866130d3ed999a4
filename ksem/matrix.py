"""From evidence to the compatibility matrix: rows, columns, values where kernels differ, groups that agree, footnotes.

Contract: pure; `model`, `judge` and the catalogue's data only. Renderers turn a `Matrix` into text and decide nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations as combinations_of
from typing import Any

from ksem.catalog import Behaviour
from ksem.guest.case import Params, combinations
from ksem.judge import judge
from ksem.model import Cell, Evidence, Result, Verdict, cell_key, release_key

# How many differing values a cell of a table spells out.
SPELLED = 4


@dataclass(frozen=True)
class Row:
    """One case with one parameter set; a result for each column, in the matrix's order."""

    params: Params
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Section:
    """One case with all its rows."""

    behaviour: Behaviour
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Matrix:
    """Every case on every column that there is evidence of. designs: the names of the cases that each needs."""

    columns: tuple[Evidence, ...]
    sections: tuple[Section, ...]
    designs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def results(self) -> Iterable[Result]:
        """Every cell, case by case."""
        return (result for section in self.sections for row in section.rows for result in row.results)

    def counts(self, column: str) -> Mapping[Verdict, int]:
        """How many cells of a column have which verdict."""
        return Counter(result.verdict for result in self.results() if result.column == column)


@dataclass(frozen=True)
class Line:
    """A line of a section's table: the parameter sets that look the same, and a text for each group of columns."""

    label: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """What a section looks like: groups of columns that agree, lines, and what the texts' footnotes say."""

    groups: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def build(behaviours: Iterable[Behaviour], evidence: Iterable[Evidence]) -> Matrix:
    """Judge all evidence of the cases there are. A cell without evidence is unknown."""
    columns = tuple(sorted(evidence, key=_column_key))
    stored = [{cell_key(cell.case, cell.params): cell for cell in column.cells} for column in columns]
    sections = []
    for behaviour in behaviours:
        rows = []
        for params in combinations(behaviour.case):
            key = cell_key(behaviour.name, params)
            cells = [cells.get(key) or Cell(behaviour.name, params, "unknown") for cells in stored]
            results = (judge(behaviour.case, cell, column) for cell, column in zip(cells, columns, strict=True))
            rows.append(Row(params, tuple(results)))
        sections.append(Section(behaviour, tuple(rows)))
    return Matrix(columns, tuple(sections))


def _column_key(evidence: Evidence) -> tuple[bool, tuple[int, int, int, int], str]:
    return evidence.column == "local", release_key(evidence.release), evidence.column


def leaves(value: Any, path: str = "") -> dict[str, str]:
    """An observation as {path: text}: {"copy.flags": "ro, relatime"}. Lists of scalars are one leaf."""
    found: dict[str, str] = {}
    _collect(value, path, found)
    return found


def _collect(value: Any, path: str, found: dict[str, str]) -> None:
    # dict first: to ask for a Mapping takes longer.
    if isinstance(value, dict | Mapping) and value:
        for key, inner in value.items():
            _collect(inner, f"{path}.{key}" if path else str(key), found)
    elif isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
        found[path] = ", ".join(map(_word, value)) or "none"
    else:
        found[path] = _word(value)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


@dataclass(frozen=True)
class Relatives:
    """Two columns of one release whose environments differ: in what, and which of the cells that both saw.

    environment: a text for each entry that differs. same: how many cells agree. other: a text for each that does not.
    """

    columns: tuple[str, str]
    release: str
    environment: tuple[str, ...]
    same: int
    other: tuple[str, ...]


def relatives(matrix: Matrix) -> list[Relatives]:
    """The same release in another environment: what the distribution around a kernel changes, or does not."""
    numbered = list(enumerate(matrix.columns))
    return [_relatives(matrix, first, second) for (first, one), (second, other) in combinations_of(numbered, 2)
            if one.release == other.release and one.environment != other.environment]


def _relatives(matrix: Matrix, first: int, second: int) -> Relatives:
    one, other = matrix.columns[first], matrix.columns[second]
    rows = [(section, row) for section in matrix.sections for row in section.rows
            if Verdict.UNKNOWN not in (row.results[first].verdict, row.results[second].verdict)]
    texts = [_contrast(row.results[first], row.results[second]) for _, row in rows]
    names = [f"{section.behaviour.name}[{'-'.join(map(_word, row.params.values()))}]" for section, row in rows]
    environment = _differing(leaves(one.environment), leaves(other.environment))
    return Relatives((one.column, other.column), one.release, tuple(environment), texts.count(""),
                     tuple(f"{name}: {text}" for name, text in zip(names, texts, strict=True) if text))


def _contrast(one: Result, other: Result) -> str:
    """What two results differ in, or nothing."""
    if one.cell.status != other.cell.status:
        return f"{one.cell.status} / {other.cell.status}"
    if one.cell.observation == other.cell.observation:
        return ""
    differing = _differing(leaves(one.cell.observation), leaves(other.cell.observation))
    rest = len(differing) - SPELLED
    return "; ".join(differing[:SPELLED]) + (f"; and {rest} more" if rest > 0 else "")


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    return [f"{path}: {one.get(path, 'absent')} / {other.get(path, 'absent')}" for path in {**one, **other}
            if one.get(path) != other.get(path)]


def table(section: Section, columns: Sequence[Evidence]) -> Table:
    """A section with what agrees drawn together: columns that never differ, parameter sets that look the same."""
    notes: list[str] = []
    texts = [_texts(row, notes) for row in section.rows]
    by_column: dict[tuple[str, ...], list[str]] = {}
    for index, column in enumerate(columns):
        by_column.setdefault(tuple(line[index] for line in texts), []).append(column.column)
    by_line: dict[tuple[str, ...], list[Params]] = {}
    # Without any column (none could be had) there are rows all the same.
    lines = zip(*by_column, strict=True) if by_column else [()] * len(section.rows)
    for row, line in zip(section.rows, lines, strict=True):
        by_line.setdefault(line, []).append(row.params)
    order = [column.column for column in columns]
    return Table(tuple(ranges(names, order) for names in by_column.values()),
                 tuple(Line(label(sets, [row.params for row in section.rows]), line) for line, sets in by_line.items()),
                 tuple(notes))


def _texts(row: Row, notes: list[str]) -> list[str]:
    """A text for each result of a row: its verdict, with the values in which the columns differ."""
    observed = [result.cell.observation for result in row.results if result.cell.observation is not None]
    paths: list[str] = []
    if any(one != observed[0] for one in observed):
        seen = [leaves(one) for one in observed]
        paths = [path for path in {path: None for one in seen for path in one} if len({one.get(path) for one in seen}) > 1]
    return [_text(result, paths, notes) for result in row.results]


def _text(result: Result, paths: Sequence[str], notes: list[str]) -> str:
    if result.verdict is Verdict.CONFORMS:
        return _values(leaves(result.cell.observation), paths) if paths else "ok"
    if result.verdict is Verdict.DIFFERS:
        actual, right = leaves(result.cell.observation), leaves(result.expected)
        wrong = [path for path in {**right, **actual} if actual.get(path) != right.get(path)]
        cites = f" ({result.cites})" if result.cites else ""
        return f"DIFFERS{_note(f'expected {_values(right, wrong)}{cites}', notes)}: {_values(actual, wrong)}"
    return result.verdict.value + (_note(result.cell.reason, notes) if result.cell.reason else "")


def _values(found: Mapping[str, str], paths: Sequence[str]) -> str:
    spelled = [f"{path}: {found.get(path, 'absent')}" for path in paths[:SPELLED]]
    rest = len(paths) - SPELLED
    return "; ".join(spelled) + (f"; and {rest} more" if rest > 0 else "")


def _note(text: str, notes: list[str]) -> str:
    if text not in notes:
        notes.append(text)
    return f" [{notes.index(text) + 1}]"


def label(sets: Sequence[Params], every: Sequence[Params]) -> str:
    """Some of a case's parameter sets by what tells them from the others: `flag=ro,nosuid`, or `all 9`."""
    if len(sets) == len(every):
        return f"all {len(every)}" if len(every) > 1 else "-"
    names = list(every[0])
    for size in range(1, len(names) + 1):
        for chosen in combinations_of(names, size):
            values = {name: {params[name] for params in sets} for name in chosen}
            if [params for params in every if all(params[name] in values[name] for name in chosen)] == list(sets):
                return " ".join(f"{name}={_alternatives(name, sets, every)}" for name in chosen)
    shown = ["-".join(map(_word, params.values())) for params in sets]
    return "; ".join(shown[:6]) + (f"; and {len(shown) - 6} more" if len(shown) > 6 else "")


def _alternatives(name: str, sets: Sequence[Params], every: Sequence[Params]) -> str:
    """The values of one name in some sets; where one of all its values has a comma, that is not what parts them."""
    separator = " | " if any(", " in _word(params[name]) for params in every) else ", "
    return separator.join(dict.fromkeys(_word(params[name]) for params in sets))


def ranges(names: Sequence[str], order: Sequence[str]) -> str:
    """Column names drawn together: `debian-6.1, 6.12 to 6.18`; three or more neighbours are a range."""
    if len(names) == len(order) > 1:
        return "all columns"
    runs: list[list[str]] = []
    for name in sorted(names, key=order.index):
        if runs and order.index(name) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    words: list[str] = []
    prefix = ""
    for run in runs:
        kept = [run[0], run[-1]] if len(run) > 2 else run
        short = []
        for name in kept:
            own = name.rpartition("-")[0]
            short.append(name.removeprefix(own + "-") if own and own == prefix else name)
            prefix = own
        words.append(" to ".join(short) if len(run) > 2 else ", ".join(short))
    return ", ".join(words)
