"""Columns and cases: what runs of ksem take, whole and by the piece, and how that grows."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import CASE, ROOT, Bench, Run, cells, seconds, series
from ksem import catalog

# How many columns and cases are run to see how time grows, and on which column the latter.
COLUMNS, CASES, ONE = (1, 2, 4, 8), (1, 10, 50, 150), "debian-6.12"
# Parameter sets of the case that does nothing.
EMPTY = 200
_NOTHING = '''"""Nothing is done."""
from ksem.guest.case import Case

CASE = Case(claim="Who does nothing sees nothing.", cites=("nothing",), params={"number": tuple(range(%d))}, expect={})


def observe(lab, number):
    return {}
'''


def catalogue(bench: Bench) -> Iterator[Figure]:
    """Everything: with nothing kept but the kernels, and again with what that left."""
    names = series()
    bench.fetch(*names)

    def cold() -> Run:
        bench.ksem("cache", "clear")
        return bench.cases(*names)

    runs = bench.in_turns(catalogue_cold=cold, catalogue_warm=lambda: bench.cases(*names))
    for what, wanted in (("warm", 90.0), ("cold", 120.0)):
        found = runs[f"catalogue_{what}"]
        yield Figure(f"all cases, {len(names)} columns, {what}", seconds(found), wanted=wanted, beside=_told(found))


def kept(bench: Bench) -> Iterator[Figure]:
    """The disk that warm columns take, beside their kernels."""
    names = series()
    bench.warm(*names)
    sizes = {kind: _size(bench.kept / kind) / 1e6 for kind in ("snapshots", "modules", "disks")}
    yield Figure(f"cache of {len(names)} warm columns", (sum(sizes.values()),), "MB", 800,
                 beside=", ".join(f"{kind} {size:.0f}" for kind, size in sizes.items()))


def _size(directory: Path) -> int:
    """The bytes on the disk below a directory: images of filesystems are sparse."""
    paths = (os.path.join(parent, name) for parent, _, names in os.walk(directory) for name in names)
    return sum(os.lstat(path).st_blocks * 512 for path in paths)


def case(bench: Bench) -> Iterator[Figure]:
    """One case everywhere."""
    names = series()
    bench.warm(*names)
    found = bench.in_turns(case_everywhere=lambda: bench.cases(*names, "-k", CASE))["case_everywhere"]
    yield Figure(f"{CASE}, {len(names)} columns, warm", seconds(found), wanted=6, beside=_told(found))


def local(bench: Bench) -> Iterator[Figure]:
    """One case on the kernel that runs, as somebody waits for it who edits it."""
    bench.cases("local", "-k", CASE)
    found = bench.in_turns(case_here=lambda: bench.cases("local", "-k", CASE))["case_here"]
    yield Figure(f"{CASE}, local", seconds(found), wanted=0.5, beside=_told(found))


def column(bench: Bench) -> Iterator[Figure]:
    """All cases on the newest kernel, which takes longest; with what it takes to start ksem and the machine."""
    name = series()[-1]
    bench.warm(name)
    found = bench.in_turns(whole_column=lambda: bench.cases(name))["whole_column"]
    yield Figure(f"all cases, {name}, warm", seconds(found), wanted=15, beside=_told(found))


def item(bench: Bench) -> Iterator[Figure]:
    """What an item costs whose case does nothing: many of them less one, in a project of their own."""
    project = bench.scratch / "nothing"
    for name, count in (("one", 1), ("many", EMPTY)):
        path = project / "cases" / "nothing" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_NOTHING % count)
    bench.fetch(ONE)
    bench.cases(ONE, project=project)
    runs = bench.in_turns(one_empty_item=lambda: bench.cases(ONE, "-k", "nothing.one", project=project),
                          many_empty_items=lambda: bench.cases(ONE, "-k", "nothing.many", project=project))
    values = tuple((many.seconds - one.seconds) / (EMPTY - 1) * 1000
                   for one, many in zip(runs["one_empty_item"], runs["many_empty_items"], strict=True))
    yield Figure("an item that does nothing", values, "ms", 30, beside=f"{EMPTY} less one of them, {ONE}")


def growth(bench: Bench) -> Iterator[Figure]:
    """How time grows, with columns and with cases."""
    names = series()
    bench.warm(*names)
    runs = {}
    for count in (*(one for one in COLUMNS if one < len(names)), len(names)):
        runs[f"growth: all cases, {count} column{'s' * (count > 1)}"] = _each(bench, *names[:count])
    yield from _grown(runs)
    known = [behaviour.name for behaviour in catalog.behaviours(ROOT)]
    runs = {}
    for count in (min(one, len(known)) for one in CASES):
        some = [known[number * len(known) // count] for number in range(count)]
        runs[f"growth: {count} case{'s' * (count > 1)}, {ONE}"] = _each(bench, ONE, "-k", " or ".join(some))
    yield from _grown(runs)


def _each(bench: Bench, *arguments: str) -> list[Run]:
    return bench.in_turns(growth=lambda: bench.cases(*arguments))["growth"]


def _grown(runs: dict[str, list[Run]]) -> Iterator[Figure]:
    first = statistics.median(seconds(next(iter(runs.values()))))
    for what, found in runs.items():
        times = statistics.median(seconds(found)) / first
        yield Figure(what, seconds(found), beside=f"{times:.1f} times the first; {_told(found)}")


def _told(runs: list[Run]) -> str:
    counted = cells(runs[-1].output)
    return f"{statistics.median(one.processor for one in runs):.1f} CPU s, {sum(counted.values())} cells"
