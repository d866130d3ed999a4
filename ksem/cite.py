"""Evidence to paste into a mail, unedited: the claim, what is documented, which kernels show what, and the calls that decide.

Contract: pure; `model`, `matrix`, `history`, `seen`, `strace`, `wrap` and the case's data. ASCII, at most 72 columns; whatever
a kernel or a case has in its texts, none of it begins a line of its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ksem import seen, strace
from ksem.guest.case import Params
from ksem.history import Change, described, histories_of
from ksem.matrix import Matrix, Row, Section, label, ranges
from ksem.model import Evidence, KsemError, Result, Verdict, release_key
from ksem.seen import Values
from ksem.wrap import ascii_only, fill

WIDTH = 72
# How many values a group of kernels spells out, and how many calls a trace.
SPELLED, CALLS = 6, 24
UNKNOWN = "not known"


@dataclass(frozen=True)
class Place:
    """A value that is the same in some parameter sets on every kernel: its leaf, and a label for the sets unless it is all."""

    path: str
    label: str


@dataclass(frozen=True)
class Group:
    """Kernels that show the same.

    names: their releases. values: at each of the places in which kernels differ. partly: of which not all is known.
    """

    names: tuple[str, ...]
    values: tuple[str, ...]
    partly: tuple[str, ...]


@dataclass(frozen=True)
class Decider:
    """Whose trace is shown: a kernel's, and where kernels differ the one before it, which does otherwise."""

    row: Row
    result: Result
    other: Result | None


def cite(matrix: Matrix, section: Section, sets: Sequence[Params] = (), on: str = "", calls: int = CALLS,
         reproducer: str = "") -> str:
    """The mail's text. Raises KsemError when no column knows anything of the case.

    sets: the parameter sets that it is about; all without any. on: the column whose trace is shown. reproducer: the text of a
    program, which is added as it is.
    """
    rows = rows_of(section, sets)
    decider = decider_of(matrix, section, rows, on)
    parts = [claim(section), sources(section), documented(section), seen_text(matrix, section, rows),
             trace_text(matrix, section, decider, calls), again(section, decider)]
    if reproducer:
        parts.append("A program that shows it:\n\n" + "\n".join(
            line.encode("ascii", "backslashreplace").decode() for line in reproducer.splitlines()))
    return "\n\n".join(part for part in parts if part) + "\n"


def rows_of(section: Section, sets: Sequence[Params]) -> list[Row]:
    """The rows of some parameter sets; all without any."""
    return [row for row in section.rows if not sets or dict(row.params) in [dict(one) for one in sets]]


def claim(section: Section) -> str:
    """The claim, as a paragraph."""
    return _filled(section.behaviour.case.claim)


def sources(section: Section) -> str:
    """Where the claim is stated."""
    return "\n".join(["Sources:", *(_filled(one, "  ", "    ") for one in section.behaviour.case.cites)])


def documented(section: Section) -> str:
    """Where documentation says less, or something else; nothing where it does not."""
    text = section.behaviour.case.documented
    return f"Documentation that says otherwise, or less:\n{_filled(text, '  ', '  ')}" if text else ""


def seen_text(matrix: Matrix, section: Section, rows: Sequence[Row]) -> str:
    """Which kernels show what: those that agree in one line."""
    places, groups, silent = kernels_of(matrix, section, rows)
    order = list(dict.fromkeys(name for name in names_of(matrix, rows)))
    about = label([row.params for row in rows], [row.params for row in section.rows])
    lines = [_filled("Seen on Linux" + (f" with {about}" if len(rows) < len(section.rows) else "") + ":")]
    for group in groups:
        if not places:
            lines.append(_filled(f"{_kernels(group.names, order)} {'agree' if len(group.names) > 1 else 'only'}", "  ", "    "))
            continue
        lines.append(_filled(f"{_kernels(group.names, order)}:", "  ", "    "))
        told = [f"{place.path}{place.label}: {value}".removeprefix(": ")
                for place, value in zip(places, group.values, strict=True)]
        lines += [_filled(one, "    ", "      ") for one in told[:SPELLED]]
        lines += [f"    (and {len(told) - SPELLED} more values)"] if len(told) > SPELLED else []
        lines += [_filled(f"(not all of it known of {_kernels(group.partly, order)})", "    ", "     ")] if group.partly else []
    lines += [_filled(f"not known of {_kernels(names, order)}: {why}", "  ", "    ") for why, names in silent.items()]
    lines += [_filled(one, "  ", "    ") for one in [*_changes(section, rows), *_unexpected(rows)]]
    return "\n".join(lines)


def kernels_of(matrix: Matrix, section: Section,
               rows: Sequence[Row]) -> tuple[list[Place], list[Group], dict[str, list[str]]]:
    """The places in which kernels differ, the groups that agree in them, and, by reason, the kernels that tell nothing."""
    names = names_of(matrix, rows)
    told = [[seen.values(result.cell) for result in row.results] for row in rows]
    by_place: dict[tuple[str, tuple[str, ...]], list[Params]] = {}
    for row, values in zip(rows, told, strict=True):
        for path in _differing(values):
            by_place.setdefault((path, tuple(_at(one, path) for one in values)), []).append(row.params)
    every = [row.params for row in rows]
    places = [Place(path, f" [{label(sets, every)}]" if len(sets) < len(every) else "") for (path, _), sets in by_place.items()]
    groups: dict[tuple[str, ...], list[str]] = {}
    silent: dict[str, list[str]] = {}
    speaking = {name for number, name in enumerate(names) if any(values[number] for values in told)}
    for number, name in enumerate(names):
        if any(values[number] for values in told):
            groups.setdefault(tuple(vector[number] for _, vector in by_place), []).append(name)
        elif name not in speaking:
            silent.setdefault(seen.why_unknown(rows[0].results[number].cell), []).append(name)
    return places, _drawn_together(groups), silent


def _drawn_together(groups: Mapping[tuple[str, ...], list[str]]) -> list[Group]:
    """Groups with different values; a kernel of which not all is known belongs to the first that it does not contradict."""
    found: list[Group] = []
    order = list(groups)
    for vector in sorted(order, key=lambda vector: vector.count(UNKNOWN)):
        number = next((number for number, group in enumerate(found)
                       if all(one in (other, UNKNOWN) for one, other in zip(vector, group.values, strict=True))), None)
        partly = () if UNKNOWN not in vector else tuple(dict.fromkeys(groups[vector]))
        names = tuple(dict.fromkeys(groups[vector]))
        if number is None:
            found.append(Group(names, vector, ()))
        else:
            old = found[number]
            found[number] = Group(tuple(dict.fromkeys(old.names + names)), old.values,
                                  old.partly + tuple(name for name in partly if name not in old.names))
    first = {name: place for place, vector in enumerate(order) for name in groups[vector]}
    return sorted(found, key=lambda group: min(first[name] for name in group.names))


def _differing(values: Sequence[Values | None]) -> list[str]:
    known = [one for one in values if one is not None]
    if len({bool(one.lacking) for one in known}) > 1:
        # A kernel that lacks what it takes differs in the whole.
        return [""]
    paths = {path: None for one in known for path in one.leaves}
    return [path for path in paths if len({one.at(path) for one in known}) > 1]


def _at(values: Values | None, path: str) -> str:
    if values is None:
        return UNKNOWN
    if path:
        return values.at(path)
    return f"unsupported: {values.lacking}" if values.lacking else "supported"


def names_of(matrix: Matrix, rows: Sequence[Row]) -> list[str]:
    """What to call each column: its release; with its name where another column of that release saw something else."""
    by_release: dict[str, list[int]] = {}
    for number, column in enumerate(matrix.columns):
        by_release.setdefault(column.release, []).append(number)
    split = {release for release, numbers in by_release.items()
             if any(_differing([seen.values(row.results[number].cell) for number in numbers]) for row in rows)}
    return [ascii_only(f"{column.release} ({column.column})" if column.release in split else column.release)
            for column in matrix.columns]


def _kernels(names: Sequence[str], order: Sequence[str]) -> str:
    """Releases in a few words. order: all that there are."""
    unique = list(dict.fromkeys(names))
    if len(unique) == len(order) > 2:
        return f"all {len(order)} releases from {order[0]} to {order[-1]}"
    text = ranges(unique, [*order, ""])
    return f"{text} ({len(unique)} releases)" if " to " in text else text


def _changes(section: Section, rows: Sequence[Row]) -> list[str]:
    """What is cited of the changes that these kernels show, or had from the start: a line for each, with all its backports."""
    found: dict[tuple[str, str], list[Change]] = {}
    for change in {span.since: None for row in rows for one in histories_of(section, row) for span in one.spans}:
        if change and change.release:
            found.setdefault((change.release, change.cites), []).append(change)
    told = []
    for (release, _), changes in sorted(found.items(), key=lambda item: release_key(item[0][0])):
        backports = sorted({first for change in changes for first in change.backports}, key=release_key)
        # The one of which kernels on both sides were seen closest.
        change = max(changes, key=lambda change: (change.after != "", release_key(change.after or release)))
        told.append(described(change) + (f"; backported to {', '.join(backports)}" if backports else ""))
    return told


def _unexpected(rows: Sequence[Row]) -> list[str]:
    columns = [result.column for row in rows for result in row.results if result.verdict is Verdict.DIFFERS]
    return [f"not as expected on {', '.join(dict.fromkeys(columns))}"] if columns else []


def decider_of(matrix: Matrix, section: Section, rows: Sequence[Row], on: str = "") -> Decider:
    """The kernel that decides: the first one that does as the newest does; where all agree, the newest.

    Raises KsemError when nothing is known. on: the column that is to be taken.
    """
    known = [(row, results) for row in rows if (results := _told(row, matrix.columns))
             and (not on or any(one.column == on for one in results))]
    if not known:
        raise KsemError(f"nothing is known of {section.behaviour.name} on {on or 'any column'}: `ksem run` makes evidence")
    found = [Decider(row, *_decisive(results, on)) for row, results in known]
    text = f"{section.behaviour.case.claim} {section.behaviour.case.documented}"
    return max([one for one in found if one.other] or found, key=lambda one: _spoken_of(one, text))


def _spoken_of(decider: Decider, text: str) -> tuple[int, int]:
    """How much a claim speaks of a parameter set: errnos that its calls end with, then words of its values."""
    words = {word.lower() for value in decider.row.params.values() for word in re.findall(r"\w+", str(value))}
    return len(_errnos(decider.result.cell.trace, text)), len(words & {word.lower() for word in re.findall(r"\w+", text)})


def _errnos(events: Sequence[strace.Event], text: str) -> set[str]:
    """The errnos of a text with which calls ended."""
    return {str(event[4]) for event in events if strace.failed(event)} & set(re.findall(r"\bE[A-Z0-9]+\b", text))


def _decisive(results: Sequence[Result], on: str) -> tuple[Result, Result | None]:
    """Of a row's results the one that decides, and the last one before it, or any, that is otherwise."""
    newest = next((one for one in results if one.column == on), results[-1])
    others = [one for one in results if seen.values(one.cell) != seen.values(newest.cell)]
    if on or not others:
        return newest, others[-1] if others else None
    return results[results.index(others[-1]) + 1], others[-1]


def _told(row: Row, columns: Sequence[Evidence]) -> list[Result]:
    """The results that tell something, with a trace, by release; bare kernels after machines of the same release."""
    backends = {column.column: str(column.environment.get("backend")) for column in columns}
    told = [result for result in row.results if seen.is_told(result.cell) and result.cell.trace and result.column != "local"]
    told = told or [result for result in row.results if seen.is_told(result.cell) and result.cell.trace]
    order = {result.release: number for number, result in enumerate(told)}
    return sorted(told, key=lambda result: (order[result.release], backends[result.column] == "qemu"))


def trace_text(matrix: Matrix, section: Section, decider: Decider, calls: int) -> str:
    """The deciding kernel's calls, below a line on it."""
    column = next(one for one in matrix.columns if one.column == decider.result.column)
    events = decider.result.cell.trace
    others = decider.other.cell.trace if decider.other else ()
    text = f"{section.behaviour.case.claim} {section.behaviour.case.documented}"
    spoken_of = _errnos(events, text)
    # The last call that ended with an errno of the claim; else the last one.
    last = max((number for number, event in enumerate(events) if str(event[4]) in spoken_of), default=len(events) - 1)
    kept, left_out = strace.cut(events, strace.deciding(events, others) if others else last, calls)
    about = label([decider.row.params], [row.params for row in section.rows])
    lines = [environment_line(column)]
    lines += [_filled(f"with {' '.join(f'{name}={value}' for name, value in decider.row.params.items())}", "  ", "    ")] \
        if about != "-" else []
    count = f"{len(kept)} of {len(events)} calls; left out: {left_out}" if left_out else f"{len(kept)} calls"
    return "\n".join([*lines, _filled(f"({count})", "  ", "   "), *strace.lines(kept, WIDTH)])


def environment_line(column: Evidence) -> str:
    """A kernel and what surrounded it, as much as one line has room for."""
    told: Mapping[str, object] = column.environment
    accelerator = f" ({told['accelerator']})" if told.get("accelerator") else ""
    parts = [told.get("architecture"), f"{told.get('backend', '')}{accelerator}", told.get("os"),
             f"caller {told['caller']}" if told.get("caller") else "", f"lsm {told['lsm']}" if told.get("lsm") else ""]
    # Of Debian's packages the version has the release.
    text = f"On Linux {told.get('package') or column.release}"
    for part in parts:
        if part and len(text) + len(str(part)) + 3 <= WIDTH:
            text += f", {part}"
    return ascii_only(text)[:WIDTH - 1] + ":"


def again(section: Section, decider: Decider) -> str:
    """How to run it again: a line, which a shell takes as it is."""
    column = decider.result.column
    # A series stands for its newest release, which may be another one by then.
    exact = f"debian-{decider.result.release}" if column.startswith("debian-") and "vagrant" not in column else column
    words = ["ksem", "run", shlex.quote(ascii_only(exact)), "-k", section.behaviour.name]
    return "Run it again:\n" + "\n".join(_command(words))


def _command(words: Iterable[str]) -> list[str]:
    """A command; a backslash ends what does not fit into a line."""
    lines = ["  "]
    for word in words:
        if len(lines[-1]) + len(word) + 2 > WIDTH - 2 and lines[-1].strip():
            lines[-1] += " \\"
            lines.append("     ")
        lines[-1] += f"{' ' if lines[-1].strip() else ''}{word}"
    return lines


def _filled(text: str, first: str = "", rest: str = "") -> str:
    return fill(ascii_only(text), WIDTH, first, rest)
