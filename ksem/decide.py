"""Which kernels a design can run on: supported, unsupported or unknown for each column, and the lowest good release.

Contract: pure; `model`, `designs`, `matrix`, `seen`. A column is unsupported when it does not show what a required claim relies
on, or its kernel lacks what is needed to try; unknown when something was not run; supported when all required claims were seen.
What was not seen is never counted as good.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ksem import seen
from ksem.designs import Design, Reliance
from ksem.guest.case import Params, combinations
from ksem.matrix import label, ranges
from ksem.model import Cell, Evidence, cell_key, release_key
from ksem.wrap import fill, printable


class Support(enum.StrEnum):
    """What a column is to a design."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Miss:
    """A value that is not seen as a design relies on it.

    value: what is instead, or why nothing is known. known: whether something is. ran: whether the column has the cell at all.
    """

    reliance: Reliance
    params: Params
    path: str
    value: str
    known: bool
    ran: bool = True


@dataclass(frozen=True)
class Decision:
    """One column's answer, with all that is not as it should be, wanted claims too."""

    column: str
    release: str
    support: Support
    misses: tuple[Miss, ...]

    @property
    def is_partial(self) -> bool:
        """Whether it is unknown for nothing but that not all of it was run there."""
        return self.support is Support.UNKNOWN and not any(miss.ran for miss in self.misses if miss.reliance.required)


@dataclass(frozen=True)
class Lowest:
    """The lowest release from which all later ones are good.

    release: "" when there is none, as the highest one is not good. columns: that show it to be good. before: the releases right
    below down to the first that is known, newest first, each with what it is. silent: columns of good releases about which
    nothing is known. earlier: releases that are good all the same, below one that is not. highest: the last one that was asked.
    """

    release: str
    columns: tuple[str, ...]
    before: tuple[tuple[str, Support], ...]
    silent: tuple[str, ...]
    earlier: tuple[str, ...]
    highest: str = ""


def decide(design: Design, evidence: Iterable[Evidence]) -> list[Decision]:
    """A decision for each column, by release."""
    return [_decision(design, one) for one in sorted(evidence, key=lambda one: (release_key(one.release), one.column))]


def _decision(design: Design, evidence: Evidence) -> Decision:
    cells = {cell_key(cell.case, cell.params): cell for cell in evidence.cells}
    misses = tuple(miss for reliance in design.reliances for params in reliance.sets
                   for miss in _misses(reliance, params, cells.get(cell_key(reliance.behaviour.name, params))))
    required = [miss for miss in misses if miss.reliance.required]
    support = Support.SUPPORTED if not required else (
        Support.UNSUPPORTED if any(miss.known for miss in required) else Support.UNKNOWN)
    return Decision(evidence.column, evidence.release, support, misses)


def _misses(reliance: Reliance, params: Params, cell: Cell | None) -> Iterable[Miss]:
    values = seen.values(cell)
    for path, texts in reliance.observation.items():
        if values is None:
            yield Miss(reliance, params, path, seen.why_unknown(cell), False, cell is not None)
        elif values.at(path) not in texts:
            yield Miss(reliance, params, path, values.at(path), True)


def lowest(decisions: Iterable[Decision]) -> Lowest:
    """A release is bad when one of its columns is, good when one is and none is bad, else unknown."""
    by_release: dict[str, list[Decision]] = {}
    for decision in sorted(decisions, key=lambda one: release_key(one.release)):
        by_release.setdefault(decision.release, []).append(decision)
    states = [(release, _state(columns), columns) for release, columns in by_release.items()]
    good: list[tuple[str, Support, list[Decision]]] = []
    while states and states[-1][1] is Support.SUPPORTED:
        good.insert(0, states.pop())
    before = []
    for release, state, _ in reversed(states):
        before.append((release, state))
        if state is not Support.UNKNOWN:
            break
    silent = tuple(one.column for _, _, columns in good for one in columns if one.support is Support.UNKNOWN)
    showing = tuple(one.column for _, _, columns in good[:1] for one in columns if one.support is Support.SUPPORTED)
    earlier = tuple(release for release, state, _ in states if state is Support.SUPPORTED)
    return Lowest(good[0][0] if good else "", showing, tuple(before), silent, earlier, next(reversed(by_release), ""))


def _state(columns: Sequence[Decision]) -> Support:
    found = {one.support for one in columns}
    return next(one for one in (Support.UNSUPPORTED, Support.SUPPORTED, Support.UNKNOWN) if one in found)


def text(design: Design, decisions: Sequence[Decision], width: int, aside: Sequence[Decision] = (),
         chosen: bool = False) -> str:
    """A line for each column, what is missing and why it matters, what is not known, and the lowest good release.

    aside: of the decisions those that count for nothing, as nobody asked for them and not all was run there. chosen: whether
    these are only the columns that somebody asked for.
    """
    counted = [decision for decision in decisions if decision not in aside]
    parts = [fill(f"{design.name}: {design.title}", width, rest="  "), _table(design, decisions, width)]
    if aside:
        names = ranges([decision.column for decision in aside], [decision.column for decision in decisions] + [""])
        parts.append(fill(f"Not all that is required was run on {names}: not counted, as a plain `ksem run` does not run them."
                          " `--column '*'` counts them.", width))
    parts += [_missing(reliance, decisions, width) for reliance in design.reliances
              if any(miss.reliance == reliance and miss.known for decision in decisions for miss in decision.misses)]
    parts += _unknown(design, counted, width)
    return "\n\n".join([*parts, fill(conclusion(lowest(counted), chosen), width)]) + "\n"


def _table(design: Design, decisions: Sequence[Decision], width: int) -> str:
    rows: list[tuple[str, ...]] = [("column", "release", "design", "required", "wanted")]
    for decision in decisions:
        counts = []
        for required in (True, False):
            meant = [reliance for reliance in design.reliances if reliance.required is required]
            missed = [reliance for reliance in meant if any(miss.reliance == reliance for miss in decision.misses)]
            counts.append(f"{len(meant) - len(missed)} of {len(meant)}" if meant else "-")
        rows.append((printable(decision.column), printable(decision.release), decision.support.value, *counts))
    widths = [max(len(row[index]) for row in rows) for index in range(5)]
    lines = ["  ".join(cell.ljust(room) for cell, room in zip(row, widths, strict=True)).rstrip() for row in rows]
    if max(map(len, lines)) <= width:
        return "\n".join(lines)
    # Too narrow for a table: a paragraph for each column.
    return "\n".join(fill(f"{row[0]} ({row[1]}): {row[2]}; required: {row[3]}; wanted: {row[4]}", width,
                                   rest="  ") for row in rows[1:])


def _missing(reliance: Reliance, decisions: Sequence[Decision], width: int) -> str:
    """A claim that not all columns meet: what is relied on, and what is seen instead, drawn together."""
    order = [decision.column for decision in decisions]
    instead: dict[str, tuple[list[str], list[Params]]] = {}
    for decision in decisions:
        for miss in decision.misses:
            if miss.reliance == reliance and miss.known:
                # What a kernel lacks is the same for all values of a case.
                lacking = miss.value.startswith("unsupported: ")
                wanted = " or ".join(reliance.observation[miss.path])
                told = miss.value if lacking else f"{miss.path} is to be {wanted!r}; seen: {miss.value}"
                columns, sets = instead.setdefault(told, ([], []))
                columns += [decision.column] if decision.column not in columns else []
                sets += [miss.params] if miss.params not in sets else []
    lines = [fill(f"{_named(reliance)}", width, rest="    "),
             fill(f"because {reliance.reason}", width, first="  ", rest="  ")]
    lines += [fill(f"{ranges(columns, order)}{_sets(sets, reliance.sets)}: {told}", width, first="  - ",
                            rest="    ") for told, (columns, sets) in instead.items()]
    return "\n".join(lines)


def _unknown(design: Design, decisions: Sequence[Decision], width: int) -> list[str]:
    """What is not known: the columns about which the same claims are not, for the same reasons."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for decision in decisions:
        # Two claims may be about the same cells.
        found = {(miss.value, _named(reliance)): None for reliance in design.reliances for miss in decision.misses
                 if miss.reliance == reliance and not miss.known}
        if found:
            groups.setdefault(tuple(found), []).append(decision.column)
    parts = []
    for claims, columns in groups.items():
        lines = [fill(f"not known of {ranges(columns, [decision.column for decision in decisions])}:", width, rest="  ")]
        for why in dict.fromkeys(why for why, _ in claims):
            lines.append(fill(f"{why}:", width, first="  ", rest="    "))
            lines += [fill(claim, width, first="  - ", rest="    ") for reason, claim in claims if reason == why]
        parts.append("\n".join(lines))
    return parts


def _named(reliance: Reliance) -> str:
    """A claim's need, case and parameter sets."""
    need = "required" if reliance.required else "wanted"
    return f"{need}: {reliance.behaviour.name}{_sets(reliance.sets, combinations(reliance.behaviour.case))}"


def _sets(sets: Sequence[Params], every: Sequence[Params]) -> str:
    return f" [{label(sets, every)}]" if len(sets) < len(every) else ""


def conclusion(found: Lowest, chosen: bool = False) -> str:
    """The lowest good release in a sentence, as uncertain as the evidence is.

    chosen: whether somebody chose the columns, so that they tell nothing of releases beside theirs.
    """
    told = [_of_chosen(found) if chosen else _of_all(found), _below(found, chosen) if found.release else ""]
    if found.earlier:
        told.append(f"Good too, but with a later one that is bad or not known: {', '.join(found.earlier)}.")
    if found.silent:
        told.append(f"Not all that is required is known of {', '.join(found.silent)};"
                    " another column of the same release is good.")
    return " ".join(filter(None, told))


def _of_all(found: Lowest) -> str:
    """What there is to say of every release from some one on."""
    if found.release:
        return f"Good from {found.release} on ({', '.join(found.columns)}): that release and all later ones are."
    return ": ".join(["There is no release from which all later ones are good", *_highest(found)]) + "."


def _of_chosen(found: Lowest) -> str:
    """The same of the releases of columns that were asked for, and of no other."""
    if found.release:
        lowest_good = f"{found.release} ({', '.join(found.columns)})"
        alone = found.release == found.highest
        span = f"good on {lowest_good}" if alone else f"all from {lowest_good} to {found.highest} are good"
        return f"Of the columns asked for, {span}: other releases may be bad."
    told = [f"Of the columns asked for, {highest}." for highest in _highest(found)]
    return "".join(told) or "None of the columns asked for counts."


def _below(found: Lowest, chosen: bool) -> str:
    """What the releases below the lowest good one are."""
    unknown = ", ".join(release for release, state in reversed(found.before) if state is Support.UNKNOWN)
    known, state = found.before[-1] if found.before and found.before[-1][1] is not Support.UNKNOWN else ("", Support.UNKNOWN)
    if state is Support.UNSUPPORTED:
        dark = f" and nothing is known of {unknown}" if unknown else ""
        return f"{known} is bad{dark}: the change lies between {known} and {found.release}."
    dark = f"Nothing is known of {unknown}" if unknown else ""
    if known:
        return f"{dark}; {known} is good."
    if chosen:
        return f"{dark}." if dark else ""
    return f"{dark}, and no older release was asked: it may be good from earlier on." if dark else (
        "No older release was asked: it may be good from earlier on.")


def _highest(found: Lowest) -> list[str]:
    """What keeps every release from being the lowest, if any was asked."""
    return [f"the highest, {release}, is {'bad' if state is Support.UNSUPPORTED else 'not known'}"
            for release, state in found.before[:1]]
