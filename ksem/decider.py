"""Which kernel's calls show a claim, with which parameter set: what a mail, an entry of the drift and a program are made of.

Contract: pure; `model`, `matrix`, `seen`, `agreement` (the errnos of a text), `strace` and the case's data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ksem import seen, strace
from ksem.agreement import errnos
from ksem.guest.case import Params, expected_by, rules_of
from ksem.matrix import Matrix, Row, Section
from ksem.model import Evidence, KsemError, Result, Verdict
from ksem.seen import Values

# Words that say nothing of what a sentence is about.
_STOP = frozenset(["a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "it", "no", "not", "of", "on", "or", "s",
                   "the", "to", "with", "without"])


@dataclass(frozen=True)
class Decider:
    """Whose trace is shown: a kernel's, and where kernels differ the one before it, which does otherwise."""

    row: Row
    result: Result
    other: Result | None


def rows_of(section: Section, sets: Sequence[Params]) -> list[Row]:
    """The rows of some parameter sets; all without any."""
    return [row for row in section.rows if not sets or dict(row.params) in [dict(one) for one in sets]]


def decider_of(matrix: Matrix, section: Section, rows: Sequence[Row], on: str = "") -> Decider:
    """The kernel that decides: the first one that does as the newest does; where all agree, the newest. One that was booted by
    itself decides before a machine's.

    A kernel that does what is not expected of it decides before all, the newest one. Of parameter sets one in which that is so,
    then one in which kernels differ, then one that the case says is shown, then one that a cited change is about, then the one
    that the claim speaks of. Raises KsemError when nothing is known. on: the column that is to be taken.
    """
    names = [on] if on else ["", *_unexpected(rows)]
    found = [decider for row in rows for decider in deciders(row, matrix.columns, names)]
    if not found:
        raise nothing_of(section, rows, on)
    meant = section.behaviour.case.shown_with.items()
    return max(found, key=lambda one: (one.result.verdict is Verdict.DIFFERS, one.other is not None,
                                       meant <= one.row.params.items(), _is_cited(section, one.row.params),
                                       *_spoken_of(section, one)))


def _unexpected(rows: Sequence[Row]) -> list[str]:
    """The newest column that does what is not expected of it, if there is one that others can run again."""
    numbers = [number for row in rows for number, result in enumerate(row.results)
               if result.verdict is Verdict.DIFFERS and result.cell.trace and result.column != "local"]
    return [rows[0].results[max(numbers)].column] if numbers else []


def nothing_of(section: Section, rows: Sequence[Row], on: str) -> KsemError:
    """Why no calls can be shown."""
    told = [values for row in rows for result in row.results if on in ("", result.column)
            and (values := seen.values(result.cell)) is not None]
    name, where = section.behaviour.name, on or "any column"
    if any(values.lacking for values in told):
        return KsemError(f"{name} was not seen on {where}: unsupported: {next(one.lacking for one in told if one.lacking)}")
    if told:
        return KsemError(f"no calls were recorded of {name} on {where}: `ksem run` makes evidence")
    reasons = [seen.why_unknown(result.cell) for row in rows for result in row.results if on in ("", result.column)]
    why = next((reason for reason in reasons if reason != seen.NOT_RUN), "`ksem run` makes evidence")
    return KsemError(f"nothing is known of {name} on {where}: {why}")


def about(section: Section) -> str:
    """What is said of a case: the texts that may name an errno which shows it."""
    return f"{section.behaviour.case.claim} {section.behaviour.case.documented}"


def shown(events: Sequence[strace.Event], text: str) -> list[int]:
    """The calls that ended with an errno of a text."""
    named = set(errnos(text))
    return [number for number, event in enumerate(events) if strace.failed(event) and str(event[4]) in named]


def _is_cited(section: Section, params: Params) -> bool:
    """Whether a release that the case cites is said to answer otherwise with these parameters."""
    expectations = [expected_by(rule, params) for rule in rules_of(section.behaviour.case)]
    return any(one != expectations[0] for one in expectations)


def _spoken_of(section: Section, decider: Decider) -> tuple[int, float, int, int]:
    """How much is said of a parameter set: errnos that calls end with, the share of each value's words that is there, how many
    words that is, how many calls end so."""
    text, trace = about(section), decider.result.cell.trace
    # Without CAP_FSETID is not with it.
    calls, there = shown(trace, text), _words(re.sub(r"\b(without|no|not|nor)\s+\w+", "", text))
    values = [words for value in decider.row.params.values() if (words := _words(str(value)))]
    return (len({str(trace[number][4]) for number in calls}), sum(len(words & there) / len(words) for words in values),
            sum(len(words & there) for words in values), len(calls))


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w+", text)} - _STOP


def deciders(row: Row, columns: Sequence[Evidence], on: Iterable[str]) -> Iterable[Decider]:
    """For each of some columns whose trace can be shown of a row, what it is compared with. "" is the kernel that decides."""
    known = _told(row, columns)
    for name in on:
        # This machine's own only if it is meant or nothing else is known: nobody else can run it again.
        told = [pair for pair in known if pair[0].column != "local" or name == "local"] or known
        place = next((number for number, (one, _) in enumerate(told) if one.column == name), -1 if told and not name else None)
        if place is None:
            continue
        others = [number for number, (_, values) in enumerate(told) if values != told[place][1]]
        if not name:
            like = _booted([result for result, _ in told[others[-1] + 1 if others else 0:]], columns)
            result = like[0 if others else -1]
        else:
            result = told[place][0]
        yield Decider(row, result, _booted([told[number][0] for number in others], columns)[-1] if others else None)


def _booted(results: Sequence[Result], columns: Sequence[Evidence]) -> Sequence[Result]:
    """Those of kernels that were booted by themselves, with nothing around them; all where there is none."""
    bare = {column.column for column in columns if column.environment.get("backend") == "qemu"}
    return [result for result in results if result.column in bare] or results


def _told(row: Row, columns: Sequence[Evidence]) -> list[tuple[Result, Values | None]]:
    """The results that tell something, with a trace, and what, by release; bare kernels after machines of the same release."""
    backends = {column.column: str(column.environment.get("backend")) for column in columns}
    known = [result for result in row.results if result.cell.trace and seen.is_told(result.cell)]
    order: dict[str, int] = {}
    for number, result in enumerate(known):
        order.setdefault(result.release, number)
    known.sort(key=lambda result: (order[result.release], backends[result.column] == "qemu"))
    return [(result, seen.values(result.cell)) for result in known]
