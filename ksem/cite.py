"""Evidence to paste into a mail, unedited: the claim, what is documented, which kernels show what, and the calls that decide.

Contract: pure; `model`, `matrix`, `history`, `selection`, `agreement`, `grouped`, `decider`, `seen`, `strace`, `wrap` and the
case's data. ASCII, at most 72 columns; whatever a kernel or a case has in its texts, none of it begins a line of its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ksem import seen, strace
from ksem.agreement import Agreement, agreement, labelled, names_of
from ksem.decider import Decider, about, decider_of, rows_of, shown
from ksem.grouped import SPELLED, blocks, kernels
from ksem.guest.case import Params, expected_by, rules_of
from ksem.history import Change, described, histories_of
from ksem.matrix import Matrix, Row, Section, label
from ksem.model import Evidence, Result, Verdict, release_key
from ksem.selection import spelled
from ksem.wrap import ascii_only, fill

WIDTH = 72
# How many reasons there are for what is not known, and how many calls a trace shows.
REASONS, CALLS = 3, 24


def cite(matrix: Matrix, section: Section, sets: Sequence[Params] = (), on: str = "", calls: int = CALLS,
         reproducer: str = "") -> str:
    """The mail's text. Raises KsemError when no column knows anything of the case.

    sets: the parameter sets that it is about; all without any. on: the column whose trace is shown. reproducer: the text of a
    program, which is added as it is.
    """
    rows = rows_of(section, sets)
    decider = decider_of(matrix, section, rows, on)
    parts = [head(section), seen_text(matrix, section, rows, decider.row), trace_text(matrix, section, decider, calls),
             again(section, decider)]
    if reproducer:
        parts.append("A program that shows it:\n\n" + "\n".join(
            line.encode("ascii", "backslashreplace").decode() for line in reproducer.splitlines()))
    return "\n\n".join(part for part in parts if part) + "\n"


def head(section: Section) -> str:
    """The claim, as a paragraph, and what is documented."""
    return "\n\n".join(part for part in (_filled(section.behaviour.case.claim), sources(section), documented(section)) if part)


def sources(section: Section) -> str:
    """Where the claim is stated."""
    return "\n".join(["Sources:", *(_filled(one, "  ", "    ") for one in section.behaviour.case.cites)])


def documented(section: Section) -> str:
    """Where documentation says less, or something else; nothing where it does not."""
    text = section.behaviour.case.documented
    return f"Documentation that says otherwise, or less:\n{_filled(text, '  ', '  ')}" if text else ""


def seen_text(matrix: Matrix, section: Section, rows: Sequence[Row], first: Row | None = None) -> str:
    """Which kernels show what: those that agree in one line. first: the row whose values come first."""
    found = agreement(matrix, section, rows, first)
    told = label([row.params for row in rows], [row.params for row in section.rows])
    # What is the same everywhere is not listed: the claim, as a rule.
    differing = "; where they differ" if len(found.groups) > 1 and found.places else ""
    lines = [_filled("Seen on Linux" + (f" with {told}" if len(rows) < len(section.rows) else "")
                     + (_how_many(matrix, rows) if found.places else "") + differing + ":", rest="  ")]
    if found.places:
        lines += blocks(found, [row.params for row in rows], _odd(matrix, rows), WIDTH)
    else:
        lines += [_filled(f"{kernels(group.names, found.order)} {_agree(section, rows, len(group.names))}", "  ", "    ")
                  for group in found.groups]
    lines += [_filled(one, "  ", "    ") for one in [*_not_known(found), *_changes(matrix, section, rows)]]
    return "\n".join([*lines, *_unexpected(rows)])


def _how_many(matrix: Matrix, rows: Sequence[Row]) -> str:
    """On how many of the releases that were judged all that was is as the case expects, and where that is not all there is."""
    judged = [{result.release for result in row.results if result.verdict in (Verdict.CONFORMS, Verdict.DIFFERS)}
              for row in rows]
    releases, whole = set[str]().union(*judged), set[str].intersection(*judged)
    if not releases:
        return ""
    good = releases - {result.release for row in rows for result in row.results if result.verdict is Verdict.DIFFERS}
    told = f", as expected on {len(good)} of {len(releases)} release{'s' if len(releases) > 1 else ''}"
    order = list(dict.fromkeys(column.release for column in matrix.columns))
    part = [release for release in order if release in releases - whole]
    return told + (f" (all {len(rows)} parameter sets on {len(whole) or 'none'} of them, some on {kernels(part, order)})"
                   if part else "")


def _odd(matrix: Matrix, rows: Sequence[Row]) -> set[tuple[str, str]]:
    """The kernels, and the leaves, of which something is not as the case expects."""
    return {(name, path) for row in rows for name, result in zip(names_of(matrix, rows), row.results, strict=True)
            if result.verdict is Verdict.DIFFERS for path, *_ in seen.unexpected(result)}


def _agree(section: Section, rows: Sequence[Row], count: int) -> str:
    """With what kernels agree that all show the same: the claim, which is of new ones, or what is expected of their release."""
    agree = "agree" if count > 1 else "agrees"
    judged = [(row, result) for row in rows for result in row.results if result.verdict in (Verdict.CONFORMS, Verdict.DIFFERS)]
    if any(result.verdict is Verdict.DIFFERS for _, result in judged):
        return "agree with each other, not with the claim" if count > 1 else "does not agree with the claim"
    newest = rules_of(section.behaviour.case)[0]
    claimed = all(result.expected == expected_by(newest, row.params) for row, result in judged)
    return f"{agree} with {'the claim' if claimed else 'what is expected of older releases'}"


def _not_known(found: Agreement) -> Iterable[str]:
    """Of which kernels not all is known, or nothing, and why."""
    for (count, reasons), names in found.partly.items():
        why = "; ".join(reasons[:REASONS]) + ("; and more" if len(reasons) > REASONS else "")
        agree = "agree" if not found.places and found.groups else "are known"
        verb = agree if len(names) > 1 else {"agree": "agrees", "are known": "is known"}[agree]
        yield f"{kernels(names, found.order)} {verb} in {count} of {found.sets} parameter sets; the others: {why}"
    for why, names in found.silent.items():
        yield f"not known of {kernels(names, found.order)}: {why}"


def _changes(matrix: Matrix, section: Section, rows: Sequence[Row]) -> list[str]:
    """What is cited of the changes that these kernels show, or had from the start: a line for each, with all its backports."""
    found: dict[tuple[str, str], list[Change]] = {}
    taken: dict[tuple[str, str], set[str]] = {}
    for span in (span for row in rows for one in histories_of(section, row) for span in one.spans):
        if span.since and span.since.release:
            key = (span.since.release, span.since.cites)
            found.setdefault(key, []).append(span.since)
            taken.setdefault(key, set()).update(span.backported)
    told = []
    for key, changes in sorted(found.items(), key=lambda item: release_key(item[0][0])):
        backports = sorted({first for change in changes for first in change.backports}, key=release_key)
        # The one of which kernels on both sides were seen closest.
        change = max(changes, key=lambda change: (change.after != "", release_key(change.after or change.release)))
        shown_by = list(dict.fromkeys(column.release for column in matrix.columns if column.column in taken[key]))
        told.append(described(change) + (f"; backported to {', '.join(backports)}" if backports else "")
                    + _have(shown_by, {change.after for change in changes}) + (
                        "" if change.after else "; no kernel without it was asked"))
    return told


def _have(releases: Sequence[str], without: Collection[str]) -> str:
    """Which kernels have a change by a backport. without: those of which some value is as before all the same."""
    whole = [ascii_only(release) for release in releases if release not in without]
    part = [ascii_only(release) for release in releases if release in without]
    words = [f"{', '.join(whole)} {'have' if len(whole) > 1 else 'has'} it too"] if whole else []
    words += [f"{', '.join(part)} {'have' if len(part) > 1 else 'has'} some of it"] if part else []
    return f": so {', '.join(words)}" if words else ""


def _unexpected(rows: Sequence[Row]) -> Iterable[str]:
    """What was observed, and what was expected, on the columns where that is not the same: those that differ alike together."""
    found: dict[str, dict[tuple[str, str, str], list[Params]]] = {}
    for row in rows:
        for result in (one for one in row.results if one.verdict is Verdict.DIFFERS):
            values = found.setdefault(result.column, {})
            for value in seen.unexpected(result):
                values.setdefault(value, []).append(row.params)
    every, alike = [row.params for row in rows], dict[tuple[str, ...], list[str]]()
    for column, values in found.items():
        told = tuple(f"{path}{labelled(sets, every)}: {seen.spelled(observed)}; expected: {seen.spelled(expected)}"
                     for (path, observed, expected), sets in values.items())
        alike.setdefault(told, []).append(column)
    for told, columns in alike.items():
        rest = len(told) - SPELLED
        yield _filled(f"not as expected on {', '.join(columns)}:", "  ", "    ")
        yield from (_filled(one, "    ", "      ") for one in told[:SPELLED])
        yield from [f"    (and {rest} more value{'s' if rest > 1 else ''})"] if rest > 0 else []


@dataclass(frozen=True)
class Plan:
    """Which calls of a trace are shown.

    kept: their numbers. count: how many, and what is left out, in words. notes: what another kernel answered otherwise, by the
    number of the call. named: what descriptors are of.
    """

    kept: tuple[int, ...]
    count: str
    notes: Mapping[int, str]
    named: Mapping[int, strace.Origins]


def plan(section: Section, result: Result, other: Result | None, calls: int = CALLS) -> Plan:
    """The calls that show a claim: around the first that another kernel answers otherwise, if there is one. other: its."""
    events = result.cell.trace
    theirs = strace.answers(events, other.cell.trace) if other and other.cell.trace else {}
    telling = shown(events, unexpected_text(result)) or shown(events, about(section))
    # The last call that ended with an errno that is not as expected, or should be; else with one of the claim; else the last.
    last = max(telling, default=len(events) - 1)
    kept, left_out = strace.cut(events, min(theirs, default=last), calls, [*telling, *theirs])
    count = f"{len(kept)} of {len(events)} calls; left out: {left_out}" if left_out else \
        f"{len(kept)} call{'' if len(kept) == 1 else 's'}"
    return Plan(tuple(kept), f"({count})", {number: theirs[number] for number in kept if number in theirs},
                strace.origins(events, kept))


def unexpected_text(result: Result) -> str:
    """What a result has that is not expected of it, and what is: nothing where all is as expected."""
    return " ".join(part for _, *values in seen.unexpected(result) for part in values) if (
        result.verdict is Verdict.DIFFERS) else ""


def trace_text(matrix: Matrix, section: Section, decider: Decider, calls: int) -> str:
    """The deciding kernel's calls, below a line on it, and what another kernel answered where it answered otherwise."""
    column = next(one for one in matrix.columns if one.column == decider.result.column)
    events = decider.result.cell.trace
    found = plan(section, decider.result, decider.other, calls)
    params = " ".join(f"{name}={spelled(value)}" for name, value in decider.row.params.items())
    other = decider.other.release if decider.other else ""
    notes = {number: f"on {other}: {answer}" for number, answer in found.notes.items()}
    return "\n".join([environment_line(column), *([_filled(f"with {params}", "  ", "    ")] if len(section.rows) > 1 else []),
                      _filled(found.count, "  ", "   "), *strace.lines(events, found.kept, notes, WIDTH, found.named)])


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
    result = decider.result
    words = [f"ksem run {_quoted(exact(result.column, result.release))}", f"-k {_quoted(section.behaviour.name)}"]
    if len(section.rows) > 1:
        words += [f"--params {_quoted(f'{name}={spelled(value)}')}" for name, value in decider.row.params.items()]
    return "Run it again:\n" + "\n".join(_command(words))


def exact(column: str, release: str) -> str:
    """What to call a column so that it is this kernel: a series stands for its newest release, which may be another by then."""
    return f"debian-{release}" if column.startswith("debian-") and "vagrant" not in column else column


def _quoted(word: str) -> str:
    return shlex.quote(ascii_only(word))


def _command(words: Sequence[str]) -> list[str]:
    """A command; a backslash ends what does not fit into a line."""
    whole = f"  {' '.join(words)}"
    if len(whole) <= WIDTH:
        return [whole]
    lines = ["  "]
    for word in words:
        for part in [word] if len(word) + 6 < WIDTH - 2 else word.split(" ", 1):
            if len(lines[-1]) + len(part) + 2 > WIDTH - 2 and lines[-1].strip():
                lines[-1] += " \\"
                lines.append("     ")
            lines[-1] += f"{' ' if lines[-1].strip() else ''}{part}"
    return lines


def _filled(text: str, first: str = "", rest: str = "") -> str:
    return fill(ascii_only(text), WIDTH, first, rest)
