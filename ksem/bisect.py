"""Between which two of many releases a behaviour changed, with as few boots as possible, and what git is to be told then.

Contract: pure; `model`, `seen` and the standard library. Who calls decides what a release is and how it is asked. As with
git-bisect(1) one change is found, the first one after the old end, and what cannot be asked is passed over.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Generic, TypeVar

from ksem import seen
from ksem.guest.case import Params
from ksem.model import Cell, cell_key, release_key, series_of

T = TypeVar("T")
# What a case shows for some parameter sets: {parameter set: {leaf: text}}.
State = Mapping[str, Mapping[str, str]]
LACKING = "unsupported"


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """old: the last release that is as the old end. new: the next one that was asked, and is not. untold: those in between."""

    old: T
    new: T
    untold: tuple[T, ...]


def search(old: T, new: T, between: Sequence[T], gap: Callable[[T, T], int], is_old: Callable[[T], bool | None]) -> Outcome[T]:
    """Halve what may lie between two releases that differ until nothing is left to ask.

    between: in order, without the two. gap: how much changed from one release to the next. is_old: whether a release is as the
    old end; None when that cannot be told.
    """
    line = [old, *between, new]
    places = _places(line, gap)
    low, high = 0, len(line) - 1
    untold: set[int] = set()
    while left := [number for number in range(low + 1, high) if number not in untold]:
        middle = _middle(places, low, high, left)
        answer = is_old(line[middle])
        if answer is None:
            untold.add(middle)
        elif answer:
            low = middle
        else:
            high = middle
    return Outcome(line[low], line[high], tuple(line[low + 1:high]))


def boots(old: T, new: T, between: Sequence[T], gap: Callable[[T, T], int]) -> int:
    """How many releases `search` asks at most, if all can be asked."""
    places = _places([old, *between, new], gap)

    def deepest(low: int, high: int) -> int:
        if high - low < 2:
            return 0
        middle = _middle(places, low, high, range(low + 1, high))
        return 1 + max(deepest(low, middle), deepest(middle, high))

    return deepest(0, len(places) - 1)


def _places(line: Sequence[T], gap: Callable[[T, T], int]) -> list[int]:
    """How far each release is from the first, in changes."""
    return [0, *accumulate(gap(one, other) for one, other in pairwise(line))]


def _middle(places: Sequence[int], low: int, high: int, left: Iterable[int]) -> int:
    return min(left, key=lambda number: abs(2 * places[number] - places[low] - places[high]))


def commits(old: str, new: str) -> int:
    """How much changes from a release to the next, in stable releases: one that begins a series has a hundred times as much.

    (Some 14,000 commits a mainline release and 150 a stable one.) So a new series is asked at its beginning first.
    """
    if series_of(old) != series_of(new):
        return 100
    return max(1, release_key(new)[2] - release_key(old)[2])


def state(cells: Iterable[Cell], case: str, sets: Sequence[Params], paths: Collection[str] = ()) -> State | None:
    """What a case shows, for comparison; None when a parameter set is not told of. paths: the only leaves that count."""
    known = {cell_key(cell.case, cell.params): cell for cell in cells}
    found = {}
    for params in sets:
        key = cell_key(case, params)
        values = seen.values(known.get(key))
        _, parameter_set = key
        if values is None:
            return None
        # Two kernels that lack what it takes are the same, whatever they say of it.
        found[parameter_set] = {LACKING: ""} if values.lacking else {
            path: values.at(path) for path in paths} if paths else dict(values.leaves)
    return found


def shown(one: State, other: State) -> list[tuple[str, str, str]]:
    """In what two states differ: a place (parameters and leaf), and what is there in each."""
    found = []
    for key in one:
        before, after = one[key], other[key]
        if LACKING in before or LACKING in after:
            texts = [LACKING if LACKING in values else "supported" for values in (before, after)]
            found += [(_place(key, ""), texts[0], texts[1])] if before != after else []
            continue
        found += [(_place(key, path), before.get(path, seen.ABSENT), after.get(path, seen.ABSENT))
                  for path in {**before, **after} if before.get(path) != after.get(path)]
    return found


def _place(key: str, path: str) -> str:
    params: dict[str, Any] = json.loads(key)
    sets = " ".join(f"{name}={value}" for name, value in params.items())
    return f"{path}{f' [{sets}]' if path and sets else sets}" or "the case"


def tag(release: str) -> str:
    """A release as its tag in git: v6.17 for 6.17.0, too."""
    major, minor, patch, candidate = release_key(release)
    suffix = f".{patch}" if patch else ""
    return f"v{major}.{minor}{suffix}" + (f"-rc{candidate}" if candidate != release_key("0.0")[3] else "")


def git_range(old: str, new: str) -> str:
    """Where in git the change is, between two releases that differ.

    Stable releases of two series part where the older series began, and the change may have come on either side of the newer
    one's beginning.
    """
    if series_of(old) == series_of(new) or not release_key(old)[2]:
        return f"{tag(old)}..{tag(new)}"
    first, mainline, last = f"v{series_of(old)}", f"v{series_of(new)}", tag(new)
    parts = f" ({first}..{mainline} on mainline, or {mainline}..{last} on its stable branch)" if last != mainline else ""
    return f"{first}..{last}{parts}, if {first} is as {tag(old)}: git asks for that first"


def git_commands(old: str, new: str, ksem: Sequence[str], case: str, options: Sequence[str], against: str) -> list[str]:
    """What to type in a checkout of linux-stable. ksem: the command, as it is to be called from there."""
    test = shlex.join([*ksem, "run", "image:arch/x86/boot/bzImage", "-q", "-k", case, *options, "--against", against])
    return [f"git bisect start {tag(new)} {tag(old)}",
            "git bisect run sh -c " + shlex.quote(f"make olddefconfig bzImage || exit 125; {test}")]
