"""Matrices that every format must render: of nothing, of what agrees or differs, of what a kernel might say to break out."""

from __future__ import annotations

import functools

import project
from made import behaviour, case, cell, evidence

from ksem import catalog, store
from ksem.guest.case import Rule
from ksem.matrix import Matrix, build
from ksem.model import Cell

CASE = case((Rule({"is": "new"}, since="6.12", cites="abc123"), Rule({"is": "old"}, cites="mount(2)")),
            params={"flag": ("ro", "nosuid")}, documented="It is always so.")
HOSTILE = "<b>|`x`|</b>_*[a](b)*_\\"


def cells(*seen: str) -> Matrix:
    """The case on a 6.1 and a 6.12, with what was seen for each flag."""
    pairs = zip(("6.1", "6.1", "6.12", "6.12"), ("ro", "nosuid") * 2, seen, strict=True)
    found = [(release, cell({"is": one}, {"flag": flag}) if one else
              cell(None, {"flag": flag}, status="unsupported", reason="no such call")) for release, flag, one in pairs]
    return build([behaviour(CASE)], [
        evidence(f"debian-{release}", release, *(one for of, one in found if of == release), remark="a remark")
        for release in ("6.1", "6.12")])


AGREEING = cells("old", "old", "new", "new")
MIXED = cells("old", "", "old", "new")
MATRICES = {
    "nothing": build([], []),
    "no column": build([behaviour(CASE)], []),
    "no case": build([], [evidence("one", "6.12")]),
    "nothing run": build([behaviour(CASE)], [evidence("one", "6.12")]),
    "no parameter sets": build([behaviour(case(params={"a": (1,)}, where=lambda a: False))], [evidence("one", "6.12")]),
    "agreeing": AGREEING,
    "mixed": MIXED,
    "hostile": build([behaviour(case({"is": "so"}))], [
        evidence(HOSTILE, "6.12", cell({"is": HOSTILE}), remark=HOSTILE),
        evidence("lost", "6.13", cell(status="lost", reason=f"oops\n{HOSTILE}\n\x1b[2J"))]),
    "beyond ASCII": build([behaviour(case({"is": "ü"}))], [evidence("ä\udcff", "6.12", cell({"is": "\u2028\U0001F600"}))]),
}


def large(columns: int, rows: int, sets: int = 5, events: int = 60) -> Matrix:
    """A matrix of so many cells, as real ones are: a tenth of the rows differs between releases, the others agree.

    Each cell has a trace of so many events, the same where columns agree.
    """
    releases = [f"6.{number}" for number in range(1, columns + 1)]
    behaviours = []
    cells: dict[str, list[Cell]] = {release: [] for release in releases}
    for number in range(rows // sets):
        name = f"area_{number * 10 * sets // rows}.case_{number}"
        one = case(lambda n: {"result": "ok"}, params={"n": tuple(range(sets))},
                   claim=f"Claim {number} is a sentence of the usual length about what a kernel does.")
        behaviours.append(behaviour(one, name))
        for row in range(sets):
            for place, release in enumerate(releases):
                seen = "EINVAL" if number % 10 == 0 and place < columns // 2 else "ok"
                trace = [["main", "mnt:1 user:0", "mount", [f'"{name}"', f'"directory {step}"', "NULL", "MS_BIND"], seen]
                         for step in range(row, row + events)]
                cells[release].append(cell({"result": seen}, {"n": row}, name=name, trace=tuple(trace)))
    return build(behaviours, [evidence(f"debian-{release}", release, *cells[release]) for release in releases])


@functools.cache
def own() -> Matrix:
    """The evidence that the project keeps: not what somebody saw of a machine of his own."""
    return build(catalog.behaviours(project.ROOT), [
        one for one in store.read(project.ROOT / "results") if one.column.startswith("debian-")])
