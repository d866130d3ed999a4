"""`ksem run`: pytest on the cases, for the columns of one's choice, and the matrix of what was seen.

Contract: ksem.commands says what a command is. pytest is known here and in ksem.plugin only.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksem import against, backends, catalog, compare, interrupts, matrix, renderers, runner, selection, store
from ksem.against import UNTESTED, Against
from ksem.commands import _common
from ksem.compare import Difference
from ksem.guest.case import combinations
from ksem.model import INTERRUPTED, NO_RELEASE, Cell, Column, Evidence, KsemError, Say, Unavailable, seconds
from ksem.runner import Runner

if TYPE_CHECKING:
    import pytest

# Plugins of pytest's that no case can use; one would leave a directory in TMPDIR for each worker, and one looks for garbage in
# all that is there, over and over.
USELESS = ("tmpdir", "unraisableexception", "legacypath", "unittest", "recwarn", "monkeypatch", "subtests")
# Such as have options that somebody may use: hypothesis takes a second to import, the cache parses the names of all items that
# there ever were, and xdist is for more than one column.
UNASKED = ("hypothesispytest", "cacheprovider", "stepwise", "doctest", "pastebin")
XDIST = ("xdist", "xdist.looponfail")
# Where pytest may find options beside ours.
CONFIGURATION = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_ABOUT_PLUGINS = re.compile("addopts|required_plugins|cache_dir|doctest_|looponfailroots|tmp_path_retention")
_CODE = re.compile(r"^\s*(import|from|def|pytest_plugins)\b", re.MULTILINE)
HELP = "run cases, store what was seen, print the matrix"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which cases on which columns, and how."""
    parser.add_argument("columns", nargs="*", metavar="COLUMN", help="as `ksem kernels` lists them; default: every series")
    parser.add_argument("-k", metavar="EXPR", help="only cases that match, as pytest's -k; a whole name is that case alone")
    parser.add_argument("-n", type=_common.count, metavar="N", help="columns at a time (default: one for each processor)")
    parser.add_argument("--tx", action="append", default=[], metavar="SPEC",
                        help="a worker on another machine, as pytest-xdist has them: ssh=HOST//python=PATH (repeatable)")
    parser.add_argument("-x", action="store_true", help="stop at the first cell that is not as expected")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, for logs")
    parser.add_argument("--modules", type=Path, metavar="DIR", help="the kernel modules of an image:PATH column")
    parser.add_argument("--boot-deadline", type=seconds, metavar="SECONDS", help="how long a machine may take to come up")
    parser.add_argument("--keep", action="store_true", help="leave Vagrant machines running, for the next run")
    parser.add_argument("--cold", action="store_true", help="boot every kernel anew, and keep no machine for later runs")
    parser.add_argument("--isolate", action="store_true", help="a kernel of its own for each case and parameter set")
    parser.add_argument("--repeat", type=_common.count, metavar="N", help="run each cell so often, and tell which vary")
    parser.add_argument("--mutate", action="store_true",
                        help="run each cell with each of its calls left out, and each result flipped, and tell what nobody"
                        " notices; nothing is stored")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where evidence is stored (default: results/)")
    parser.add_argument("--params", action="append", default=[], metavar="NAME=VALUE",
                        help="only parameter sets with this value (repeatable)")
    parser.add_argument("--against", type=Path, metavar="PATH",
                        help="judge by stored evidence, a directory or the file of one column, and exit as `git bisect run`"
                        " wants it: 0 as it was, 1 otherwise, 125 not to be told; nothing is stored then without --results")
    parser.add_argument("--leaf", action="append", default=[], metavar="PATH",
                        help="with --against: only this value counts (repeatable; `ksem history --all CASE` lists them)")


class _Begun:
    """What `ksem.plugin` takes over: a machine that is on its way."""

    # What pytest calls a plugin.
    __name__ = "ksem-begun"

    def __init__(self, runner: Runner) -> None:
        self.runner = runner


class _Witness:
    """Sees which cases a run of pytest asked for, what it saw, and which columns could not be had."""

    def __init__(self) -> None:
        self.cases: set[str] = set()
        self.problems: dict[str, Unavailable] = {}
        self.outcomes: dict[str, list[Difference]] = {}
        self.against: Against | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path = report.nodeid.partition("::")[0]
        self.cases.add(path.removeprefix("cases/").removesuffix(".py").replace("/", "."))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        ours: Any = session.config.pluginmanager.getplugin("ksem-session")
        self.problems, self.outcomes, self.against = ours.collected.problems, ours.collected.outcomes, ours.against


def run(options: argparse.Namespace) -> int:
    """Run pytest; 1 when a cell is not as expected or a column could not be had. With --against, what git is to be told."""
    if options.against is None:
        return _run(options)
    try:
        return _run(options)
    except KsemError as problem:
        # To git, 2 would be a kernel that behaves otherwise.
        _common.say(f"ksem: {problem}")
        return UNTESTED


def _run(options: argparse.Namespace) -> int:
    root = _common.root(options)
    columns = _common.named_columns(root, options.columns, options.modules and options.modules.absolute(),
                                    options.boot_deadline, options.keep, options.cold)
    results = (options.results or root / "results").absolute()
    witness, plugins = _Witness(), []
    with contextlib.ExitStack() as stack:
        # SIGTERM too is to take down what was begun.
        interrupts.heed(False)
        alone = len(columns) == 1 and not options.tx
        if alone:
            stack.enter_context(backends.backend(columns[0].backend).ahead())
        behaviours = catalog.behaviours(root)
        _check(options, behaviours, columns)
        if alone and _is_certain(options.k, behaviours):
            plugins.append(_Begun(_begun(stack, options, behaviours, columns[0], results)))
        # Only now, as it takes as long to import as QEMU to start.
        import pytest
        for one in plugins:
            one.runner.go_on()
        status = pytest.main(_pytest_arguments(options, root, behaviours, columns, results), plugins=[witness, *plugins])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        chosen = "".join(f" --params {one!r}" for one in options.params)
        raise KsemError(f"no case matches -k {options.k or ''!r}{chosen}: `ksem cases` lists the cases")
    if status in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        return 2 if options.against is None else UNTESTED
    if options.mutate:
        return INTERRUPTED if status == pytest.ExitCode.INTERRUPTED else int(status != pytest.ExitCode.OK)
    if options.against is not None:
        return INTERRUPTED if status == pytest.ExitCode.INTERRUPTED else _compared(witness, behaviours)
    evidence = store.read(results, traces=False, columns=[column.name for column in columns])
    ran = [one for one in behaviours if one.name in witness.cases]
    found = matrix.build(ran, _with_problems(evidence, columns, witness.problems, ran))
    _common.show("\n" + renderers.renderer("terminal")(found))
    return INTERRUPTED if status == pytest.ExitCode.INTERRUPTED else int(status != pytest.ExitCode.OK)


def _is_certain(expression: str | None, behaviours: Iterable[catalog.Behaviour]) -> bool:
    """Whether -k selects something, as far as that can be told without pytest: nothing is begun for a mistyped one."""
    return expression is None or any(expression in behaviour.name for behaviour in behaviours)


def _begun(stack: contextlib.ExitStack, options: argparse.Namespace, behaviours: list[catalog.Behaviour], column: Column,
           results: Path) -> Runner:
    """The runner of the only column, its machine on its way."""
    say: Say = (lambda line: None) if options.quiet else _common.say
    begun = Runner(column, behaviours, results / "logs", say, options.isolate)
    stack.callback(begun.close)
    begun.begin()
    return begun


def _check(options: argparse.Namespace, behaviours: list[catalog.Behaviour], columns: list[Column]) -> None:
    """Raise KsemError for what keeps such a run from being anything, as far as that can be known at once."""
    if options.leaf and options.against is None:
        raise KsemError("--leaf narrows what --against compares: name the evidence too")
    _check_params(behaviours, options)
    if not options.tx:
        runner.check(columns)
    elif options.n or options.against:
        raise KsemError("--tx names the workers, which have no evidence to judge by: leave -n and --against out")
    if options.mutate:
        runner.check_mutants(columns, options.against is not None or options.repeat is not None)
    if options.against:
        Against(options.against, [column.name for column in columns])


def _check_params(behaviours: list[catalog.Behaviour], options: argparse.Namespace) -> None:
    """Raise KsemError, with the nearest name or value, where -k is just one case and has no such parameter sets."""
    wanted = selection.parsed(options.params)
    for behaviour in behaviours:
        if behaviour.name == options.k:
            sets = selection.parameter_sets(behaviour, wanted)
            for path in options.leaf:
                selection.check_path(behaviour, path, [selection.known_values(behaviour, params) for params in sets])


def _compared(witness: _Witness, behaviours: list[catalog.Behaviour]) -> int:
    """Print what is not as it was, and return what git is to be told."""
    assert witness.against is not None
    comparisons = [compare.comparison(witness.against.named(column), column, outcomes)
                   for column, outcomes in witness.outcomes.items()]
    for comparison in comparisons:
        _common.show("\n" + compare.text(comparison, behaviours, _common.width()), "\n")
    for problem in witness.problems.values():
        _common.say(f"ksem: {problem}")
    status = against.status(comparisons)
    return UNTESTED if witness.problems and status == against.GOOD else status


def _pytest_arguments(options: argparse.Namespace, root: Path, behaviours: list[catalog.Behaviour], columns: list[Column],
                      results: Path) -> list[str]:
    """`ksem run` as pytest understands it."""
    # To pytest's -k, availability.mount_beneath would be availability.mount_beneath_root too.
    meant = next((behaviour.path for behaviour in behaviours if behaviour.name == options.k), None)
    workers = str(min(len(columns), options.n or len(os.sched_getaffinity(0))))
    arguments = [str(meant or root / "cases"), f"--rootdir={root}", "--no-header", "--tb=no", "-rN"]
    # No case asserts anything.
    arguments += ["--assert=plain"]
    unasked = () if _speaks_to_pytest(root) else UNASKED if options.tx or workers != "1" else (*UNASKED, *XDIST)
    arguments += [word for name in (*USELESS, *unasked) for word in ("-p", f"no:{name}")]
    arguments += [f"--tx={one}" for one in options.tx]
    if options.tx:
        columns = runner.longest_first(columns)
    elif workers != "1":
        columns = runner.longest_first(columns)
        arguments += ["-n", workers]
    arguments += [f"--column={column.name}" for column in columns]
    arguments += ["-k", options.k] if options.k and not meant else []
    arguments += ["-x"] if options.x else []
    arguments += ["-q"] if options.quiet else []
    arguments += [f"--repeat={options.repeat}"] if options.repeat else []
    arguments += [f"--boot-deadline={options.boot_deadline}"] if options.boot_deadline else []
    arguments += [f"--modules={options.modules.absolute()}"] if options.modules else []
    arguments += [f"--{name}" for name in ("keep", "cold", "isolate", "mutate") if getattr(options, name)]
    arguments += [f"--params={one}" for one in options.params] + [f"--leaf={one}" for one in options.leaf]
    arguments += [f"--against={options.against.absolute()}"] if options.against else []
    arguments += [f"--results={results}"] if options.results or not options.against else []
    return arguments


def _speaks_to_pytest(root: Path) -> bool:
    """Whether somebody else tells pytest what may be about any plugin."""
    if os.environ.get("PYTEST_ADDOPTS") or os.environ.get("PYTEST_PLUGINS"):
        return True
    for name, says in [*((name, _ABOUT_PLUGINS) for name in CONFIGURATION), ("conftest.py", _CODE)]:
        for path in (directory / name for directory in (root, *root.parents)):
            if path.is_file() and says.search(path.read_text(errors="replace")):
                return True
    return False


def _with_problems(evidence: Iterable[Evidence], columns: Iterable[Column], problems: Mapping[str, Unavailable],
                   behaviours: Iterable[catalog.Behaviour]) -> list[Evidence]:
    """Evidence with what kept columns from being run now: what was seen of them before is not what this run saw."""
    found = {one.column: one for one in evidence}
    for column in columns:
        problem = problems.get(column.name)
        if problem is None:
            continue
        text = str(problem).removeprefix(f"{column.name}: ")
        known = found.get(column.name, Evidence(column.name, _series_of(column), {}, ()))
        cells = tuple(Cell(one.name, params, "lost") for one in behaviours for params in combinations(one.case))
        found[column.name] = dataclasses.replace(known, problem=text, cells=cells if problem.lost else ())
    return list(found.values())


def _series_of(column: Column) -> str:
    """The release that a column asks for, to give it a place among the others. A machine's name may end in a distribution's."""
    release = column.source.partition(":")[2]
    return release if re.fullmatch(r"\d+\.\d+(\.\d+)?([-+~].*)?", release) else NO_RELEASE
