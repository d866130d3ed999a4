"""`ksem bisect`: between which two releases of Debian's archive a behaviour changed.

Contract: ksem.commands says what a command is. What stored evidence knows is not asked again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from ksem import bisect, cache, catalog, kernels, selection, store
from ksem.bisect import State
from ksem.commands import _common
from ksem.guest.case import Params
from ksem.kernels import debian
from ksem.kernels.debian import Offer
from ksem.model import Column, Evidence, KsemError, Unavailable, release_key
from ksem.runner import Runner
from ksem.wrap import fill

HELP = "find between which two releases of Debian's archive a behaviour changed"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which behaviour, and between which kernels."""
    parser.add_argument("case", metavar="CASE", help="as `ksem cases` lists them")
    parser.add_argument("--from", dest="old", metavar="COLUMN", help="debian-6.1, debian-6.12.90 (default: the oldest known)")
    parser.add_argument("--to", dest="new", metavar="COLUMN", help="the same (default: the newest known)")
    parser.add_argument("--params", action="append", default=[], metavar="NAME=VALUE",
                        help="only parameter sets with this value (repeatable)")
    parser.add_argument("--leaf", action="append", default=[], metavar="PATH",
                        help="only this value counts (repeatable; `ksem history --all CASE` lists them)")
    parser.add_argument("--results", type=Path, metavar="DIR", help="what is known already (default: results/)")


@dataclasses.dataclass(frozen=True)
class Point:
    """A release with what is known of it. column: whose evidence that is; "" where nothing is."""

    offer: Offer
    column: str = ""
    state: State | None = None


class _Search:
    """One behaviour over the archive's releases: what is known, and how the rest is asked."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.root = _common.root(options)
        self.behaviour = _common.behaviour(self.root, options.case)
        self.results = (options.results or self.root / "results").absolute()
        self.sets: list[Params] = selection.parameter_sets(self.behaviour, selection.parsed(options.params))
        self.options: list[str] = options.params
        self.paths: list[str] = options.leaf
        self.boots = 0
        evidence = [one for one in store.read(self.results, traces=False) if one.environment.get("backend") == "qemu"]
        known = [selection.known_values(self.behaviour, params, [cell for one in evidence for cell in one.cells])
                 for params in self.sets]
        for path in self.paths:
            selection.check_path(self.behaviour, path, known)
        points = [Point(offer, one.column, self._state(one)) for one in evidence if (offer := _offer_of(one))]
        self.known = {point.offer.directory: point for point in points if point.state is not None}

    def _state(self, evidence: Evidence) -> State | None:
        return bisect.state(evidence.cells, self.behaviour.name, self.sets, self.paths)

    def points(self) -> list[Point]:
        """Every release of the archive or of the evidence, in order, each with what is known of it."""
        offers = {offer.directory: offer for offer in [*debian.known(), *(point.offer for point in self.known.values())]}
        return [self.known.get(offer.directory, Point(offer)) for offer in sorted(offers.values(), key=debian.order)]

    def end(self, name: str | None, points: list[Point], newest: bool) -> Point:
        """The point that a column's name means. A series stands for the release that evidence has of it."""
        if name is None:
            known = [point for point in points if point.state is not None]
            if not known:
                raise KsemError(f"{self.results} knows nothing of {self.behaviour.name}: name --from and --to")
            return known[-1 if newest else 0]
        stored = next((point for point in points if point.column == name), None)
        if stored:
            return stored
        column = catalog.column(name, catalog.entries(self.root))
        if kernels.source_of(column) is not debian:
            raise KsemError(f"{name} is no kernel of Debian's archive: `ksem kernels --all` lists those that can be searched")
        found = debian.matching(column.source.partition(":")[2], [point.offer for point in points])
        if not found:
            raise KsemError(f"Debian's archive offers no {name}: `ksem kernels --all` lists what it has")
        return next(point for point in points if point.offer == found[0])

    def asked(self, point: Point) -> Point:
        """A point with its state, booted if need be; the state stays None when it cannot be told."""
        if point.state is not None:
            return point
        column = Column(f"debian-{point.offer.name.removesuffix(debian.FLAVOUR)}", "qemu", f"debian:{point.offer.name}")
        runner = Runner(column, [self.behaviour], self.results / "logs", _common.say)
        try:
            ran = [runner.run(self.behaviour, params) for params in self.sets]
        except Unavailable as problem:
            _common.say(f"ksem: passed over: {problem}")
            return point
        finally:
            runner.close()
        self.boots += 1
        assert runner.evidence is not None
        cells = tuple(dataclasses.replace(cell, trace=tuple(json.loads(line) for line in lines)) for cell, lines in ran)
        evidence = dataclasses.replace(runner.evidence, cells=cells)
        state = self._state(evidence)
        if state is None:
            reasons = {cell.reason.partition("\n")[0] or cell.status for cell in cells if cell.status != "observed"}
            _common.say(f"ksem: passed over: {column.name} cannot tell: {'; '.join(sorted(reasons))}")
        store.write(_kept(), [evidence], [self.behaviour.name])
        self.known[point.offer.directory] = found = Point(point.offer, column.name, state)
        return found


def _kept() -> Path:
    """Where evidence of releases that are no columns is kept: --against may need it."""
    return cache.directory("bisect")


def _offer_of(evidence: Evidence) -> Offer | None:
    """The kernel of the archive that evidence is of."""
    name, _, version = str(evidence.environment.get("package", "")).partition(" ")
    return Offer(name, version, ()) if name.endswith(debian.FLAVOUR) and version else None


def run(options: argparse.Namespace) -> int:
    """Search, and print the two releases with the range in git and how to search that."""
    search = _Search(options)
    if problem := debian.refresh(_common.say):
        _common.say(f"ksem: {problem}")
    points = search.points()
    old, new = (search.asked(search.end(name, points, newest)) for name, newest in ((options.old, False), (options.new, True)))
    for name, point in (("--from", old), ("--to", new)):
        if point.state is None:
            raise KsemError(f"{name} {point.offer.name} cannot tell what {search.behaviour.name} shows: name another one")
    if debian.order(old.offer) >= debian.order(new.offer):
        raise KsemError(f"--from {old.offer.name} is not older than --to {new.offer.name}")
    line = [point for point in points if debian.order(old.offer) < debian.order(point.offer) < debian.order(new.offer)]
    low, high = _narrowed(old, [*line, new])
    if old.state == new.state and low is high:
        raise KsemError(f"{search.behaviour.name} shows the same on {old.offer.release} and {new.offer.release}, and nothing"
                        " else is known in between: there is no change to search for")
    between = [point for point in line if debian.order(low.offer) < debian.order(point.offer) < debian.order(high.offer)]
    most = bisect.boots(low, high, between, _gap)
    _common.say(f"{_counted(len(between), 'release')} between {low.offer.release} and {high.offer.release}: at most"
                f" {_counted(most, 'boot')}")
    found = bisect.search(low, high, between, _gap, _is_old(search, old))
    _common.show(_text(search, old, found), "\n")
    return 0


def _narrowed(old: Point, line: Iterable[Point]) -> tuple[Point, Point]:
    """The first two neighbours among the known points that differ; twice the last one where none do."""
    low = old
    for point in line:
        if point.state is not None:
            if point.state != old.state:
                return low, point
            low = point
    return low, low


def _gap(one: Point, other: Point) -> int:
    return bisect.commits(one.offer.release, other.offer.release)


def _is_old(search: _Search, old: Point) -> Callable[[Point], bool | None]:
    def ask(point: Point) -> bool | None:
        state = search.asked(point).state
        if state is None:
            return None
        _common.say(f"{point.offer.release}: {'as on ' + old.offer.release if state == old.state else 'otherwise'}")
        return state == old.state
    return ask


def _text(search: _Search, first: Point, found: bisect.Outcome[Point]) -> str:
    """The answer: the two releases, what changed, what could not be asked, and how to go on in git."""
    width = _common.width()
    old, new = (search.known[point.offer.directory] for point in (found.old, found.new))
    assert old.state is not None
    assert new.state is not None
    lines = [fill(f"{search.behaviour.name} changed between {_named(old)} and {_named(new)}.", width, rest="  ")]
    lines += [fill(f"{place}: {before} -> {after}", width, "  ", "    ") for place, before, after in
              bisect.shown(old.state, new.state)]
    if found.untold:
        names = ", ".join(point.offer.name.removesuffix(debian.FLAVOUR) for point in found.untold)
        lines.append(fill(f"It may be at one of these, which cannot be had or cannot tell: {names}.", width, "  ", "    "))
    lines.append(fill(f"{_counted(search.boots, 'boot')}; the rest was known from {search.results}.", width, "  ", "    "))
    ends = old.offer.release, new.offer.release
    if release_key(ends[0]) == release_key(ends[1]):
        return "\n".join([*lines, "  Both are builds of one upstream release: Debian's own patches or configuration made it."])
    stored = search.results / f"{store.file_name(first.column)}.json"
    against = stored if stored.exists() else _kept() / stored.name
    options = [word for params in search.options for word in ("--params", params)]
    options += [word for path in search.paths for word in ("--leaf", path)]
    ksem = [*_ksem(), "--project", str(search.root)]
    commands = bisect.git_commands(*ends, ksem, search.behaviour.name, options, str(against))
    # Commands are not wrapped: they are to be copied.
    return "\n".join([*lines, "", fill(f"In git (linux-stable): {bisect.git_range(*ends)}", width, rest="  "), *commands])


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _named(point: Point) -> str:
    name = point.offer.name.removesuffix(debian.FLAVOUR)
    return f"{point.offer.release} ({name})" if name != point.offer.release else name


def _ksem() -> list[str]:
    """How this very command is called from elsewhere."""
    program = Path(sys.argv[0]).absolute()
    return [str(program)] if program.name == "ksem" else [sys.executable, "-m", "ksem"]
