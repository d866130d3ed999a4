"""Each value's history over the columns, as compatibility data tell it: since which release, until which, exact or between two.

Contract: pure; `model`, `judge`, `matrix`, `seen` and the case's data. The model is that of mdn/browser-compat-data
(schemas/compat-data-schema.md): a range is as exact as its evidence, "no" and "unknown" are not the same.

Columns are samples. Between the last one without a value and the first one with it the change is somewhere: only a case's rule
that cites a release in between, and both values, makes it exact. What a stable series took earlier than mainline did is a
backport of that series, and no part of the range: 6.12.117 with a change of 6.18 says nothing of 6.16.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ksem import seen
from ksem.guest.case import Params, Rule, expected_by, rules_of
from ksem.judge import rule_for
from ksem.matrix import Matrix, Row, Section, label, leaves, ranges
from ksem.model import Result, release_key
from ksem.seen import ABSENT
from ksem.wrap import fill


@dataclass(frozen=True)
class Change:
    """When a value came up.

    release: the mainline release that a rule cites, "" when none does. after: the newest release before it that was seen
    without, "" when there is none. by: the first that was seen with it, "" when only the rule speaks of it. backports: the
    first release of each stable series that took it, as cited.
    """

    release: str = ""
    after: str = ""
    by: str = ""
    cites: str = ""
    backports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """A value from one change to the next.

    since: where it came up; None where the oldest column has it already and nothing is cited. until: the change that ended it;
    None where the newest column has it. columns: which show it. backported: which show it though their release is older.
    """

    value: str
    since: Change | None
    until: Change | None
    columns: tuple[str, ...]
    backported: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """What became of one value (a leaf of an observation) of one parameter set.

    unknown: column and reason where nothing is known. split: releases whose columns disagree, with the columns' values.
    """

    case: str
    params: Params
    path: str
    spans: tuple[Span, ...]
    unknown: tuple[tuple[str, str], ...]
    split: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def histories(matrix: Matrix) -> Iterable[History]:
    """Every value of every case, in the matrix's order."""
    return (one for section in matrix.sections for row in section.rows for one in histories_of(section, row))


def histories_of(section: Section, row: Row) -> Iterable[History]:
    """The history of every value that some column has seen of a parameter set."""
    results = sorted(row.results, key=lambda result: (release_key(result.release), result.column))
    told = [(result, seen.values(result.cell)) for result in results]
    unknown = tuple((result.column, seen.why_unknown(result.cell)) for result, values in told if values is None)
    known = [(result, values) for result, values in told if values is not None]
    paths = {path: None for _, values in known for path in values.leaves}
    rules = rules_of(section.behaviour.case)
    expectations = [leaves(expected_by(rule, row.params)) for rule in rules]
    for path in paths:
        points, split = _points([(result, values.at(path)) for result, values in known])
        cited = _Cited(rules, [expectation.get(path, ABSENT) for expectation in expectations])
        line = [point for point in points if not cited.is_backport(point.release, point.value)]
        spans = _spans(line, cited)
        for point in points:
            if point not in line:
                spans = _with_backport(spans, point, cited)
        yield History(section.behaviour.name, row.params, path, tuple(spans), unknown, split)


@dataclass(frozen=True)
class _Point:
    """What a release shows, and on which columns."""

    release: str
    value: str
    columns: tuple[str, ...]


def _points(values: Iterable[tuple[Result, str]]) -> tuple[list[_Point], tuple[tuple[str, tuple[tuple[str, str], ...]], ...]]:
    """A point for each release; a release whose columns disagree tells of its environments, not of a change."""
    by_release: dict[str, list[tuple[str, str]]] = {}
    for result, value in values:
        by_release.setdefault(result.release, []).append((result.column, value))
    points, split = [], []
    for release, told in by_release.items():
        if len({value for _, value in told}) == 1:
            points.append(_Point(release, told[0][1], tuple(column for column, _ in told)))
        else:
            split.append((release, tuple(told)))
    return points, tuple(split)


class _Cited:
    """What a case's rules say of one value: on mainline, and of stable series."""

    def __init__(self, rules: Sequence[Rule], values: Sequence[str]) -> None:
        self._rules = rules
        self._values = {id(rule): value for rule, value in zip(rules, values, strict=True)}
        self._mainline = tuple(rule._replace(backports=()) for rule in self._rules)
        self._values |= {id(plain): self._values[id(rule)] for plain, rule in zip(self._mainline, self._rules, strict=True)}

    def is_backport(self, release: str, value: str) -> bool:
        """Whether a release has a value because its stable series took the change that mainline made later."""
        meant, plain = self._value(rule_for(self._rules, release)), self._value(rule_for(self._mainline, release))
        return value == meant != plain

    def changes(self, after: str, by: str) -> list[tuple[Change, str, str]]:
        """The changes of the value on mainline after a release ("": ever) and not later than another: change, old, new."""
        found = []
        for since in sorted({str(rule.since) for rule in self._rules if rule.since is not None}, key=release_key):
            old, new = self._before(since), self._value(rule_for(self._mainline, since))
            inside = (not after or release_key(after) < release_key(since)) and release_key(since) <= release_key(by)
            if inside and old != new:
                found.append((self._change(since, new), old, new))
        return found

    def _change(self, since: str, value: str) -> Change:
        """The change to a value at a release: more than one rule may speak of it, when others of their values differ."""
        rules = [rule for rule in self._rules if rule.since == since and self._value(rule) == value]
        backports = sorted({first for rule in rules for first in rule.backports}, key=release_key)
        return Change(since, cites=rules[0].cites, backports=tuple(backports))

    def change_to(self, release: str) -> Change:
        """The change that a stable release of this name has as a backport."""
        rule = rule_for(self._rules, release)
        return self._change(str(rule.since), self._value(rule))

    def _before(self, since: str) -> str:
        """What holds on mainline right before a release."""
        key = release_key(since)
        return self._value(next(rule for rule in self._mainline if rule.since is None or release_key(rule.since) < key))

    def _value(self, rule: Rule) -> str:
        return self._values[id(rule)]


def _spans(points: Sequence[_Point], cited: _Cited) -> list[Span]:
    """Spans of the points of one line; where the rules know of values in between that no column shows, of these as well."""
    spans: list[Span] = []
    for before, point in pairwise([None, *points]):
        assert point is not None
        if before is not None and before.value == point.value and spans:
            spans[-1] = replace(spans[-1], columns=spans[-1].columns + point.columns)
        elif before is None:
            spans.append(Span(point.value, _first(point, cited), None, point.columns))
        else:
            changes = _between(before, point, cited)
            for change, value in changes:
                spans[-1] = replace(spans[-1], until=change)
                spans.append(Span(value, change, None, ()))
            spans[-1] = replace(spans[-1], columns=point.columns)
    return spans


def _first(point: _Point, cited: _Cited) -> Change | None:
    """The change that gave the oldest column its value, if a rule cites one."""
    changes = cited.changes("", point.release)
    if changes and changes[-1][2] == point.value:
        return replace(changes[-1][0], by=point.release)
    return None


def _between(before: _Point, point: _Point, cited: _Cited) -> list[tuple[Change, str]]:
    """What happened between two points that differ: the cited changes if they lead from one value to the other, else one
    change of which nothing more is known."""
    changes = cited.changes(before.release, point.release)
    values = [before.value, *(new for _, _, new in changes)]
    if changes and values[-1] == point.value and [old for _, old, _ in changes] == values[:-1]:
        return [(replace(change, after=before.release, by=point.release), new) for change, _, new in changes]
    return [(Change(after=before.release, by=point.release), point.value)]


def _with_backport(spans: list[Span], point: _Point, cited: _Cited) -> list[Span]:
    """The spans with a point that has its value as a backport: beside the next span of that value, or as one of its own."""
    change = cited.change_to(point.release)
    for number, span in enumerate(spans):
        if span.value == point.value and span.since is not None and _starts_after(span, release_key(point.release)):
            # A rule for stable series alone has a release that only keeps it off from mainline.
            backports = sorted({*span.since.backports, *change.backports}, key=release_key)
            taken = replace(span, since=replace(span.since, backports=tuple(backports)),
                            backported=span.backported + point.columns)
            before = [replace(one, until=taken.since) if one.until == span.since else one for one in spans[:number]]
            return [*before, taken, *spans[number + 1:]]
    key = release_key(change.release)
    place = next((number for number, span in enumerate(spans) if _starts_after(span, key)), len(spans))
    return [*spans[:place], Span(point.value, change, None, (), point.columns), *spans[place:]]


def _starts_after(span: Span, key: tuple[int, int, int, int]) -> bool:
    if span.since is None:
        return False
    return release_key(span.since.release or span.since.by) > key


def text(matrix: Matrix, section: Section, width: int, every: bool = False) -> str:
    """What changed of a case, for a terminal: the changes, and below them the values that made them together.

    every: also the values that never changed, one by one.
    """
    found = [one for row in section.rows for one in histories_of(section, row)]
    groups: dict[tuple[Change | None, ...], list[History]] = {}
    for one in found:
        groups.setdefault(tuple(span.since for span in one.spans), []).append(one)
    order = [column.column for column in matrix.columns]
    every_set = [row.params for row in section.rows]
    lines = [fill(f"{section.behaviour.name}: {section.behaviour.case.claim}", width, rest="  ")]
    for changes, members in sorted(groups.items(), key=lambda group: -len(group[0])):
        lines += [fill(told, width, first="  ", rest="    ")
                  for told in _heads(changes, members, order)]
        if len(changes) > 1 or every:
            lines += [fill(told, width, first="    ", rest="      ")
                      for told in _rows(members, every_set)]
    lines += [fill(told, width, first="  ", rest="    ")
              for told in [*_disagreements(found, every_set), *_unknown(found, order)]]
    return "\n".join(lines)


def _heads(changes: Sequence[Change | None], members: Sequence[History], order: Sequence[str]) -> list[str]:
    """A line for each change, or one for values that never changed."""
    count = f"{len(members)} values" if len(members) > 1 else "1 value"
    if not changes:
        return [f"known of no release by itself: {count}"]
    shown = [{column for one in members for column in one.spans[number].backported} for number in range(len(changes))]
    told = [described(change) + ("" if change.after else ", no older release was seen without") + _on(change, columns, order)
            for change, columns in zip(changes, shown, strict=True) if change]
    return told if len(changes) > 1 else [f"never changed: {count}" + "".join(f"; {one}" for one in told)]


def described(change: Change) -> str:
    """A change in words: `since 6.6 (09da082b07bb), seen between 6.1.192 and 6.12.117`."""
    between = f"between {change.after} and {change.by}" if change.after else ""
    if not change.release:
        return f"changed {between}"
    cites = f" ({change.cites})" if change.cites else ""
    return f"since {change.release}{cites}" + (f", seen {between}" if between else "")


def _on(change: Change, columns: Collection[str], order: Sequence[str]) -> str:
    """Where a change was taken back to, and which columns show that."""
    seen_on = f" (seen on {ranges(list(columns), order)})" if columns else ""
    return f"; backported to {', '.join(change.backports)}{seen_on}" if change.backports else ""


def _rows(members: Sequence[History], every_set: Sequence[Params]) -> list[str]:
    """A line for each value: its path, its parameter sets unless it is all, and what it was from span to span.

    What no column shows, only rules cite, is in parentheses.
    """
    rows: dict[tuple[str, tuple[str, ...]], list[Params]] = {}
    for one in members:
        values = tuple(seen.spelled(span.value) if span.columns or span.backported or not span.value else f"({span.value})"
                       for span in one.spans)
        rows.setdefault((one.path, values), []).append(one.params)
    return [f"{path}{_sets(sets, every_set)}: {' -> '.join(values)}" for (path, values), sets in rows.items()]


def _sets(sets: Sequence[Params], every_set: Sequence[Params]) -> str:
    return f" [{label(sets, every_set)}]" if len(sets) < len(every_set) else ""


def _disagreements(found: Sequence[History], every_set: Sequence[Params]) -> list[str]:
    """Releases that are no point in a history, as it depends on their environment."""
    return [f"{one.path}{_sets([one.params], every_set)} at {release} depends on the environment: "
            + ", ".join(f"{column} {seen.spelled(value)}" for column, value in seen_there)
            for one in found for release, seen_there in one.split]


def _unknown(found: Sequence[History], order: Sequence[str]) -> list[str]:
    """Which columns tell nothing, by reason; of some parameter sets, where it is not all."""
    reasons: dict[str, list[str]] = {}
    for one in found:
        for column, why in one.unknown:
            known = reasons.setdefault(why, [])
            if column not in known:
                known.append(column)
    everywhere = {column for column in order if all(column in dict(one.unknown) for one in found)}
    return [f"not known{'' if set(columns) <= everywhere else ' of some parameter sets'}: {ranges(columns, order)} ({why})"
            for why, columns in reasons.items()]
