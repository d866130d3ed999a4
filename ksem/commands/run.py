"""`ksem run`: pytest on the cases, for the columns of one's choice, and the matrix of what was seen.

Contract: ksem.commands says what a command is. pytest is known here and in ksem.plugin only.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ksem import catalog, matrix, renderers, runner, store
from ksem.commands import _common
from ksem.guest.case import combinations
from ksem.model import INTERRUPTED, NO_RELEASE, Cell, Column, Evidence, KsemError, Unavailable, seconds

HELP = "run cases, store what was seen, print the matrix"


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of columns")
    return int(text)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which cases on which columns, and how."""
    parser.add_argument("columns", nargs="*", metavar="COLUMN", help="as `ksem kernels` lists them; default: every series")
    parser.add_argument("-k", metavar="EXPR", help="only cases that match, as pytest's -k")
    parser.add_argument("-n", type=_count, metavar="N", help="how many columns at a time (default: one for each processor)")
    parser.add_argument("-x", action="store_true", help="stop at the first cell that is not as expected")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, for logs")
    parser.add_argument("--modules", type=Path, metavar="DIR", help="the kernel modules of an image:PATH column")
    parser.add_argument("--boot-deadline", type=seconds, metavar="SECONDS", help="how long a machine may take to come up")
    parser.add_argument("--keep", action="store_true", help="leave Vagrant machines running, for the next run")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where evidence is stored (default: results/)")


class _Witness:
    """Sees which cases a run of pytest asked for, and which columns could not be had."""

    def __init__(self) -> None:
        self.cases: set[str] = set()
        self.problems: dict[str, Unavailable] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path = report.nodeid.partition("::")[0]
        self.cases.add(path.removeprefix("cases/").removesuffix(".py").replace("/", "."))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        ours: Any = session.config.pluginmanager.getplugin("ksem-session")
        self.problems = ours.problems


def run(options: argparse.Namespace) -> int:
    """Run pytest; 1 when a cell is not as expected or a column could not be had."""
    root = _common.root(options)
    behaviours = catalog.behaviours(root)
    columns = _common.named_columns(root, options.columns, options.modules and options.modules.absolute())
    runner.check(columns)
    results = (options.results or root / "results").absolute()
    witness = _Witness()
    status = pytest.main(_pytest_arguments(options, root, columns, results), plugins=[witness])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise KsemError(f"no case matches -k {options.k!r}: `ksem cases` lists the cases")
    if status in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        return 2
    evidence = [one for one in store.read(results) if one.column in {column.name for column in columns}]
    ran = [one for one in behaviours if one.name in witness.cases]
    found = matrix.build(ran, _with_problems(evidence, witness.problems, ran))
    _common.show("\n" + renderers.renderer("terminal")(found))
    return INTERRUPTED if status == pytest.ExitCode.INTERRUPTED else int(status != pytest.ExitCode.OK)


def _pytest_arguments(options: argparse.Namespace, root: Path, columns: list[Column], results: Path) -> list[str]:
    """`ksem run` as pytest understands it."""
    workers = str(min(len(columns), options.n or len(os.sched_getaffinity(0))))
    arguments = [str(root / "cases"), f"--rootdir={root}", f"--results={results}", "--no-header", "--tb=no", "-rN"]
    # Our own modules are imported already; pytest would warn that it cannot rewrite their assertions.
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    arguments += [f"--column={column.name}" for column in columns]
    arguments += ["-n", workers] if workers != "1" else []
    arguments += ["-k", options.k] if options.k else []
    arguments += ["-x"] if options.x else []
    arguments += ["-q"] if options.quiet else []
    arguments += [f"--boot-deadline={options.boot_deadline}"] if options.boot_deadline else []
    arguments += [f"--modules={options.modules.absolute()}"] if options.modules else []
    arguments += ["--keep"] if options.keep else []
    return arguments


def _with_problems(evidence: Iterable[Evidence], problems: Mapping[str, Unavailable],
                   behaviours: Iterable[catalog.Behaviour]) -> list[Evidence]:
    """Evidence with what kept columns from being run now; one without any evidence is there all the same."""
    found = {one.column: one for one in evidence}
    for column, problem in problems.items():
        text = str(problem).removeprefix(f"{column}: ")
        known = found.get(column, Evidence(column, _series_in(column), {}, ()))
        cells = tuple(Cell(one.name, params, "lost") for one in behaviours for params in combinations(one.case))
        found[column] = dataclasses.replace(known, problem=text, cells=cells if problem.lost else known.cells)
    return list(found.values())


def _series_in(column: str) -> str:
    """The release that a column's name speaks of, to give it a place among the others."""
    release = column.rpartition("-")[2]
    return release if release[:1].isdigit() else NO_RELEASE
