"""Groups of kernels as text: what each of them shows, in as few lines as tell it.

Contract: pure; `agreement`, `matrix` (for `ranges`), `seen`, `wrap` and the case's data. ASCII. Values that change together are
one line; a group says what is not as in the one above it, where that is shorter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ksem import seen
from ksem.agreement import UNKNOWN, Agreement, Group, Place, labelled
from ksem.guest.case import Params
from ksem.matrix import ranges
from ksem.wrap import ascii_only, fill

# How many lines of values a group of kernels has, and how many places a line names.
SPELLED, NAMED = 6, 6
_UNSUPPORTED = "unsupported: "
# The numbers of places that tell the same.
Numbers = tuple[int, ...]


def blocks(found: Agreement, every: Sequence[Params], odd: Collection[tuple[str, str]], width: int) -> list[str]:
    """The lines on each group. every: all parameter sets that it is about. odd: kernels, each with a leaf that is not as
    expected of it."""
    together, lines = _together(found), []
    above: Group | None = None
    for group in found.groups:
        new = [numbers for numbers in together if above is None or group.values[numbers[0]] != above.values[numbers[0]]]
        # A single line is repeated: what stands by itself is read more easily.
        is_shorter = len(new) < len(together) - 1
        told, rest = _told(found, group, every, new if is_shorter else together, odd)
        lines += [_filled(f"{kernels(group.names, found.order)}{', as above but' if is_shorter else ''}:", width, "  ", "    "),
                  *(_filled(one, width, "    ", "      ") for one in told),
                  *([f"    (and {rest} more value{'s' if rest > 1 else ''})"] if rest else [])]
        above = group
    return lines


def kernels(names: Sequence[str], order: Sequence[str]) -> str:
    """Releases in a few words. order: all that there are."""
    if len(names) == len(order) > 2:
        return f"all {len(order)} releases from {order[0]} to {order[-1]}"
    text = ranges(names, [*order, ""])
    return f"{text} ({len(names)} releases)" if " to " in text else text


def _together(found: Agreement) -> list[Numbers]:
    """Places of the same parameter sets that tell the same as each other in every group."""
    same: dict[tuple[str, ...], list[int]] = {}
    for number, place in enumerate(found.places):
        same.setdefault((place.label, *(group.values[number] for group in found.groups)), []).append(number)
    return [tuple(numbers) for numbers in same.values()]


def _told(found: Agreement, group: Group, every: Sequence[Params], together: Sequence[Numbers],
          odd: Collection[tuple[str, str]]) -> tuple[list[str], int]:
    """What a group shows at some places, and how many more values there are. Of what other kernels only lack, many values, or
    some that there is no room for, are no more than as expected."""
    had = [number for numbers in together for number in numbers if _is_had(found, group, number)
           and not any((name, found.places[number].path) in odd for name in group.names)]
    room = max(SPELLED, found.telling)
    told = _spelled(found, group, together, ())
    summed = had if len(had) > SPELLED or len(told) > room else []
    if summed:
        told = _spelled(found, group, together, summed)
    lacking: dict[str, list[Params]] = {}
    for numbers in together:
        if group.values[numbers[0]].startswith(_UNSUPPORTED):
            lacking.setdefault(group.values[numbers[0]], []).extend(
                params for number in numbers for params in found.places[number].sets)
    whole = [f"{_label(sets, every)}: {value}" for value, sets in lacking.items()]
    if summed:
        sets = [params for number in summed for params in found.places[number].sets]
        whole.append(f"{_label(sets, every)}: supported, {_values(len(summed))} as expected")
    lines = [one.removeprefix(": ") for one in [*whole, *(text for _, text in told[:room])]]
    return lines, sum(count for count, _ in told[room:])


def _spelled(found: Agreement, group: Group, together: Sequence[Numbers], summed: Collection[int]) -> list[tuple[int, str]]:
    """A line for each of some values that a group shows, with how many places it is about. summed: places that are left out."""
    told = []
    for numbers in together:
        value = group.values[numbers[0]]
        shown = [found.places[number] for number in numbers if number not in summed and (
            value != seen.ABSENT or not _is_told_otherwise(found, group, found.places[number]))]
        if shown and not value.startswith(_UNSUPPORTED):
            told.append((len(shown), f"{_named([place.path for place in shown])}{shown[0].label}: {seen.spelled(value)}"))
    return told


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


def _is_had(found: Agreement, group: Group, number: int) -> bool:
    """Whether kernels differ at a place only in that some lack what it takes, and these do not."""
    values = {other.values[number] for other in found.groups} - {UNKNOWN}
    observed = {value for value in values if not value.startswith(_UNSUPPORTED)}
    return len(observed) == 1 < len(values) and group.values[number] in observed


def _is_told_otherwise(found: Agreement, group: Group, place: Place) -> bool:
    """Whether what is absent is only another shape: these kernels have a value above it, or below it."""
    def is_near(path: str) -> bool:
        return path.startswith(f"{place.path}.") or place.path.startswith(f"{path}.")

    return any(is_near(other.path) and value not in (seen.ABSENT, UNKNOWN) and any(one in other.sets for one in place.sets)
               for other, value in zip(found.places, group.values, strict=True))


def _named(paths: Sequence[str]) -> str:
    """Several places by one name: `a.{b | c}.result`."""
    if len(paths) == 1:
        return paths[0]
    parts = [path.split(".") for path in paths]
    first = _shared(parts)
    last = _shared([part[:first - 1 if first else None:-1] for part in parts])
    middles = [".".join(part[first:len(part) - last]) for part in parts]
    if "" in middles:
        # One of them is above another.
        return _alternatives(paths)
    return ".".join([*parts[0][:first], f"{{{_alternatives(middles)}}}", *parts[0][len(parts[0]) - last:]])


def _alternatives(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return " | ".join([*names[:NAMED], *([f"and {rest} more"] if rest > 0 else [])])


def _shared(parts: Iterable[Sequence[str]]) -> int:
    """With how many parts all of them begin."""
    count = 0
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        count += 1
    return count


def _label(sets: Sequence[Params], every: Sequence[Params]) -> str:
    return labelled([one for one in every if one in sets], every)


def _filled(text: str, width: int, first: str, rest: str) -> str:
    return fill(ascii_only(text), width, first, rest)
