"""What behaves differently: one column's evidence and another's, cell by cell.

Contract: pure; `model`, `catalog` (its data), `matrix`, `seen`, `wrap`. Made for one column before and after, and for one
release and the next: what became unknown is told apart from what changed, and is no less of a finding.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ksem import seen
from ksem.catalog import Behaviour
from ksem.guest.case import Params, combinations
from ksem.matrix import label, leaves
from ksem.model import Cell, Evidence, cell_key
from ksem.wrap import fill


class Kind(enum.StrEnum):
    """What can have become of a cell."""

    SAME = "the same"
    CHANGED = "changed"
    UNSUPPORTED = "no longer supported"
    UNKNOWN = "became unknown"
    VANISHED = "vanished"
    SUPPORTED = "now supported"
    APPEARED = "appeared"


# In which of them a kernel behaves otherwise.
OTHERWISE = (Kind.CHANGED, Kind.UNSUPPORTED, Kind.SUPPORTED)
# What a comparison fails for: what somebody may rely on is gone. A kernel that can more takes nothing away, nor does evidence
# that nobody had before.
FINDINGS = (Kind.CHANGED, Kind.UNSUPPORTED, Kind.UNKNOWN, Kind.VANISHED)


@dataclass(frozen=True)
class Difference:
    """What became of a cell. told: a line for each value that differs, or one that says why nothing is known."""

    kind: Kind
    case: str
    params: Params
    told: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Two pieces of evidence; either may be missing.

    same: how many cells agree. environment: a line for each entry in which the two differ, release and all.
    """

    old: str
    new: str
    same: int
    differences: tuple[Difference, ...]
    environment: tuple[str, ...] = ()

    @property
    def findings(self) -> int:
        """How many cells are no longer what they were."""
        return sum(difference.kind in FINDINGS for difference in self.differences)


def compare(old: Evidence, new: Evidence, behaviours: Iterable[Behaviour]) -> Comparison:
    """From old to new. A cell that is missing has vanished when the cases no longer ask for it, else it is unknown."""
    asked = {cell_key(behaviour.name, params): None for behaviour in behaviours for params in combinations(behaviour.case)}
    before, after = ({cell_key(cell.case, cell.params): cell for cell in one.cells} for one in (old, new))
    found = [one for key in {**asked, **before, **after}
             if (one := difference(before.get(key), after.get(key), key in asked)) is not None]
    environment = [f"release: {old.release} -> {new.release}"] if old.release != new.release else []
    environment += _differing(leaves(_told(old.environment)), leaves(_told(new.environment)))
    return comparison(f"{old.column} ({old.release})", f"{new.column} ({new.release})", found, environment)


def comparison(old: str, new: str, found: Iterable[Difference], environment: Iterable[str] = ()) -> Comparison:
    """What became of some cells, as one. old, new: what to call the two."""
    found = list(found)
    return Comparison(old, new, sum(one.kind is Kind.SAME for one in found),
                      tuple(one for one in found if one.kind is not Kind.SAME), tuple(environment))


def _told(environment: Mapping[str, Any]) -> dict[str, Any]:
    """An environment without what follows from the release, which is told."""
    return {key: value for key, value in environment.items() if key not in ("release", "version", "package", "options")}


def difference(old: Cell | None, new: Cell | None, asked: bool = True, paths: Collection[str] = ()) -> Difference | None:
    """What became of one cell; None when nothing was known of it and nothing is.

    asked: whether a case still asks for it. paths: the only leaves that count; all without any.
    """
    cell = old or new
    if cell is None:
        return None
    params = dict(cell.params)
    if seen.is_told(old) and seen.is_told(new):
        return _changed(cell, old, new, paths)
    if seen.is_told(old):
        if new is None and not asked:
            return Difference(Kind.VANISHED, cell.case, params, ("no case asks for it any more",))
        return Difference(Kind.UNKNOWN, cell.case, params, (seen.why_unknown(new),))
    # What no case asks for and only the new evidence has was left over when the cases changed.
    if seen.is_told(new) and asked:
        return Difference(Kind.APPEARED, cell.case, params, (f"before: {seen.why_unknown(old)}",))
    return None


def _changed(cell: Cell, old: Cell | None, new: Cell | None, paths: Collection[str]) -> Difference:
    """How two cells differ that both tell something."""
    one, other = seen.values(old), seen.values(new)
    assert one is not None
    assert other is not None
    params = dict(cell.params)
    if one.lacking and other.lacking:
        return Difference(Kind.SAME, cell.case, params, ())
    if other.lacking:
        return Difference(Kind.UNSUPPORTED, cell.case, params, (f"now: {other.lacking}",))
    if one.lacking:
        return Difference(Kind.SUPPORTED, cell.case, params, (f"before: {one.lacking}",))
    if paths and not any(path in values.leaves for path in paths for values in (one, other)):
        return Difference(Kind.UNKNOWN, cell.case, params, (f"has no {' and no '.join(paths)}",))
    told = _differing({path: one.at(path) for path in paths or {**one.leaves, **other.leaves}},
                      {path: other.at(path) for path in paths or {**one.leaves, **other.leaves}})
    return Difference(Kind.CHANGED if told else Kind.SAME, cell.case, params, tuple(told))


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [f"{path}: {old.get(path, seen.ABSENT)} -> {new.get(path, seen.ABSENT)}" for path in {**old, **new}
            if old.get(path, seen.ABSENT) != new.get(path, seen.ABSENT)]


def text(comparison: Comparison, behaviours: Iterable[Behaviour], width: int) -> str:
    """What differs, drawn together by case, and a line that counts."""
    every = {behaviour.name: combinations(behaviour.case) for behaviour in behaviours}
    lines = [fill(f"{comparison.old} -> {comparison.new}", width, rest="  ")]
    for kind in Kind:
        groups: dict[tuple[str, tuple[str, ...]], list[Params]] = {}
        for one in comparison.differences:
            if one.kind is kind:
                groups.setdefault((one.case, one.told), []).append(one.params)
        for (case, told), sets in groups.items():
            lines.append(fill(f"{kind.value}: {case}{_sets(sets, every.get(case, []))}", width, "  ", "      "))
            lines += [fill(line, width, "    ", "      ") for line in told]
    if comparison.environment:
        lines.append(fill(f"environment: {'; '.join(comparison.environment)}", width, "  ", "    "))
    return "\n".join([*lines, fill(counted(comparison), width, "  ", "    ")])


def counted(comparison: Comparison) -> str:
    """How many cells agree and how many do not, by kind."""
    counts = [(kind.value, sum(one.kind is kind for one in comparison.differences)) for kind in Kind if kind is not Kind.SAME]
    return ", ".join([f"{comparison.same} the same", *(f"{count} {kind}" for kind, count in counts if count)])


def _sets(sets: Sequence[Params], every: Sequence[Params]) -> str:
    if len(every) == 1 or not sets[0]:
        return ""
    known = [params for params in every if params in sets]
    if len(known) != len(sets):
        return " [" + "; ".join("-".join(str(value) for value in params.values()) for params in sets) + "]"
    return f" [{label(known, every)}]"
