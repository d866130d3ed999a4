"""Which kernels show the same of a case, in what they differ, and of which of them not all is known.

Contract: pure; `model`, `matrix`, `seen`, `wrap` and the case's data. A kernel agrees in what it was seen to do, and in nothing
else: one that was asked only some of the parameter sets is told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ksem import seen
from ksem.guest.case import Params
from ksem.matrix import Matrix, Row, Section, label
from ksem.seen import Values
from ksem.wrap import ascii_only

UNKNOWN = "not known"
# What each kernel tells of a parameter set, by its name.
Told = Mapping[str, Values]


@dataclass(frozen=True)
class Place:
    """A value that is the same in some parameter sets on every kernel: its leaf, and a label for the sets unless it is all."""

    path: str
    sets: tuple[Params, ...]
    label: str


@dataclass(frozen=True)
class Group:
    """Kernels that show the same. names: their releases. values: at each of the places in which kernels differ."""

    names: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Agreement:
    """What kernels show of some parameter sets.

    order: all kernels, by release. places: in what they differ. telling: how many of them, the first ones, it takes to tell all
    groups apart. groups: kernels that show the same there, or, where there is no place, those that were seen in all sets.
    partly: kernels that tell of some sets only, with how many, and why of no more. silent: kernels that tell nothing, by the
    reason. sets: how many there are.
    """

    order: tuple[str, ...]
    places: tuple[Place, ...]
    groups: tuple[Group, ...]
    partly: Mapping[tuple[int, tuple[str, ...]], Sequence[str]]
    silent: Mapping[str, Sequence[str]]
    sets: int
    telling: int = 0


def agreement(matrix: Matrix, section: Section, rows: Sequence[Row], shown: Row | None = None) -> Agreement:
    """What kernels show of some rows. shown: the row whose values come first, where all of them tell the same."""
    names = names_of(matrix, rows)
    order = tuple(dict.fromkeys(names))
    told = [_told(row, names) for row in rows]
    places, vectors = _places(section, rows, told, order, shown)
    counts = {name: sum(name in one for one in told) for name in order}
    partly: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    silent: dict[str, list[str]] = {}
    for name in order:
        if counts[name] < len(rows):
            reasons = _reasons(name, names, rows, told)
            if counts[name]:
                partly.setdefault((counts[name], tuple(reasons)), []).append(name)
            else:
                silent.setdefault(reasons[0], []).append(name)
    if places:
        groups = _groups({name: vector for name in order
                          if set(vector := tuple(one[order.index(name)] for one in vectors)) != {UNKNOWN}})
    else:
        whole = tuple(name for name in order if counts[name] == len(rows))
        groups = [Group(whole, ())] if whole else []
    telling = _telling(groups, len(places))
    numbers = telling + [number for number in range(len(places)) if number not in telling]
    sorted_groups = (Group(group.names, tuple(group.values[number] for number in numbers)) for group in groups)
    return Agreement(order, tuple(places[number] for number in numbers), tuple(sorted_groups), partly, silent, len(rows),
                     len(telling))


def _telling(groups: Sequence[Group], places: int) -> list[int]:
    """The numbers of places that tell all groups apart, so that no two look alike where not all places are shown."""
    chosen: list[int] = []
    for number in range(places):
        if len({tuple(group.values[one] for one in [*chosen, number]) for group in groups}) > len(
                {tuple(group.values[one] for one in chosen) for group in groups}):
            chosen.append(number)
    return chosen


def names_of(matrix: Matrix, rows: Sequence[Row]) -> list[str]:
    """What to call each column: its release; with its name where another column of that release saw something else."""
    by_release: dict[str, list[int]] = {}
    for number, column in enumerate(matrix.columns):
        by_release.setdefault(column.release, []).append(number)
    split = {release for release, numbers in by_release.items() if len(numbers) > 1
             and any(set(_differing([seen.values(row.results[number].cell) for number in numbers])) - {""} for row in rows)}
    return [ascii_only(f"{column.release} ({column.column})" if column.release in split else column.release)
            for column in matrix.columns]


def _told(row: Row, names: Sequence[str]) -> Told:
    """What each kernel tells of a parameter set: columns of one name tell the same, if anything."""
    found: dict[str, Values] = {}
    for name, result in zip(names, row.results, strict=True):
        values = seen.values(result.cell)
        if values is not None:
            found.setdefault(name, values)
    return found


def _reasons(name: str, names: Sequence[str], rows: Sequence[Row], told: Sequence[Told]) -> list[str]:
    """Why a kernel does not tell of some rows."""
    numbers = [number for number, one in enumerate(names) if one == name]
    return list(dict.fromkeys(seen.why_unknown(row.results[numbers[-1]].cell)
                              for row, known in zip(rows, told, strict=True) if name not in known))


def _differing(values: Iterable[Values | None]) -> list[str]:
    """The leaves in which some differ. Where one lacks what it takes and others do not, these tell all of theirs; where all do,
    that is told of the whole ("")."""
    known = [one for one in values if one is not None]
    observed = [one for one in known if not one.lacking]
    if known and not observed:
        return [""]
    paths = list({path: None for one in observed for path in one.leaves})
    found = [path for path in paths if len({one.at(path) for one in observed}) > 1]
    return found or (paths if 0 < len(observed) < len(known) else [])


def _places(section: Section, rows: Sequence[Row], told: Sequence[Told], order: Sequence[str],
            shown: Row | None) -> tuple[list[Place], list[tuple[str, ...]]]:
    """The places in which kernels differ, and for each of them what every kernel has there."""
    by_place: dict[tuple[str, tuple[str, ...]], list[Params]] = {}
    for row, known in zip(rows, told, strict=True):
        for path in _differing(known.values()):
            vector = tuple(known[name].at(path) if name in known else UNKNOWN for name in order)
            by_place.setdefault((path, vector), []).append(row.params)
    spoken_of = set(errnos(section.behaviour.case.claim))

    def rank(place: tuple[str, tuple[str, ...]]) -> tuple[bool, bool, bool]:
        values = {value for value in place[1] if value != UNKNOWN and not value.startswith("unsupported: ")}
        return len(values) == 1, shown is not None and shown.params not in by_place[place], not values & spoken_of

    ranked = sorted(by_place, key=rank)
    every = [row.params for row in rows]
    sets = [by_place[place] for place in ranked]
    return [Place(path, tuple(some), labelled(some, every)) for (path, _), some in zip(ranked, sets, strict=True)], [
        vector for _, vector in ranked]


def labelled(sets: Sequence[Params], every: Sequence[Params]) -> str:
    """` [what tells some parameter sets from the others]`, nothing where it is all."""
    return f" [{label(sets, every)}]" if len(sets) < len(every) else ""


def errnos(text: str) -> list[str]:
    """The errnos that a text names."""
    return re.findall(r"\bE[A-Z0-9]{2,}\b", text)


def _groups(vectors: Mapping[str, tuple[str, ...]]) -> list[Group]:
    """Kernels with the same values; one of which not all is known belongs to the only group that it does not contradict."""
    members: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(vectors, key=lambda name: vectors[name].count(UNKNOWN)):
        vector = vectors[name]
        like = [one for one in members if all(mine in (theirs, UNKNOWN) for mine, theirs in zip(vector, one, strict=True))]
        members.setdefault(like[0] if len(like) == 1 else vector, []).append(name)
    order = list(vectors)
    found = [Group(tuple(sorted(names, key=order.index)), vector) for vector, names in members.items()]
    return sorted(found, key=lambda group: order.index(group.names[0]))
