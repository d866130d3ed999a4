"""The `ksem` command: parses, calls the rooms, prints. Mistakes of the user end with one line on stderr and exit status 2.

Contract: wiring only. Exit status: 0 all is as expected, 1 something is not, 2 the command could not do what was asked.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from ksem import __version__, cache, catalog, kernels, matrix, renderers, runner, store
from ksem.guest.case import combinations
from ksem.kernels import debian
from ksem.model import NO_RELEASE, Cell, Column, Evidence, KsemError, Unavailable, seconds

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options)
        sys.stdout.flush()
        return int(status)
    except KsemError as problem:
        print(f"ksem: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # Python must not complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"ksem: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        return 2


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of columns")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ksem", description="Kernel semantics, confirmed on real kernels.")
    parser.add_argument("--version", action="version", version=f"ksem {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = commands.add_parser("kernels", help="list the columns: name, backend, exact release, cached or not")
    listing.add_argument("--all", action="store_true", help="list every kernel of Debian's archive too")
    listing.add_argument("--refresh", action="store_true", help="ask the archive again first")
    listing.set_defaults(command=_kernels)

    fetch = commands.add_parser("fetch", help="fetch the kernels of columns, so that no later run needs a network")
    fetch.add_argument("columns", nargs="*", metavar="COLUMN", help="as `ksem kernels` lists them; default: every series")
    fetch.set_defaults(command=_fetch)

    cases = commands.add_parser("cases", help="list the cases: name, number of parameter sets, claim")
    cases.set_defaults(command=_cases)

    run = commands.add_parser("run", help="run cases, store what was seen, print the matrix")
    run.add_argument("columns", nargs="*", metavar="COLUMN", help="as `ksem kernels` lists them; default: every series")
    run.add_argument("-k", metavar="EXPR", help="only cases that match, as pytest's -k")
    run.add_argument("-n", type=_count, metavar="N", help="how many columns at a time (default: one for each processor)")
    run.add_argument("-x", action="store_true", help="stop at the first cell that is not as expected")
    run.add_argument("-q", "--quiet", action="store_true", help="no progress, for logs")
    run.add_argument("--modules", type=Path, metavar="DIR", help="the kernel modules of an image:PATH column")
    run.add_argument("--boot-deadline", type=seconds, metavar="SECONDS", help="how long a machine may take to come up")
    run.add_argument("--keep", action="store_true", help="leave Vagrant machines running, for the next run")
    run.add_argument("--results", type=Path, metavar="DIR", help="where evidence is stored (default: results/)")
    run.set_defaults(command=_run)

    show = commands.add_parser("matrix", help="render stored evidence; no kernel is run")
    show.add_argument("results", nargs="*", type=Path, metavar="RESULTS", help="directories of evidence (default: results/)")
    show.add_argument("--format", default="terminal", help=", ".join(renderers.names()))
    show.add_argument("--column", action="append", default=[], metavar="PATTERN", help="only these columns (debian-*)")
    show.add_argument("--listed", action="store_true", help="only columns that vms/catalog.toml lists, without local")
    show.add_argument("--output", type=Path, metavar="FILE", help="write to a file, whole or not at all")
    show.set_defaults(command=_matrix)
    return parser


def _kernels(options: argparse.Namespace) -> int:
    root = catalog.project(Path.cwd())
    if options.refresh and (problem := debian.refresh(_say, age=0.0)):
        raise KsemError(problem)
    columns = catalog.entries(root)
    if options.all:
        columns += [Column(f"debian-{offer.name.removesuffix(debian.FLAVOUR)}", "qemu", f"debian:{offer.name}")
                    for offer in sorted(debian.known(), key=debian.order)]
    rows: list[tuple[str, ...]] = [("COLUMN", "BACKEND", "RELEASE", "STATE")]
    for column in columns:
        kernel = kernels.source_of(column).at_hand(column)
        state = kernel.remark or "at hand" if kernel else "not fetched yet"
        rows.append((column.name, column.backend, kernel.release if kernel else "-", state))
    _print_table(rows)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    failed = False
    for column in _named(catalog.project(Path.cwd()), options.columns):
        try:
            kernels.source_of(column).resolve(column, _say)
        except Unavailable as failure:
            _say(f"ksem: {failure}")
            failed = True
    return int(failed)


def _named(root: Path, names: Iterable[str], modules: Path | None = None) -> list[Column]:
    """The columns of these names; without any, those that the catalogue has for every run."""
    columns = catalog.columns(root, names or [entry.name for entry in catalog.entries(root) if entry.default], modules)
    if not columns:
        raise KsemError("vms/catalog.toml names no column: name one (`ksem run local`)")
    return columns


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _cases(options: argparse.Namespace) -> int:
    behaviours = catalog.behaviours(catalog.project(Path.cwd()))
    _print_table([("CASE", "SETS", "CLAIM"), *(
        (one.name, str(len(combinations(one.case))), one.case.claim) for one in behaviours)])
    return 0


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip())


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


def _run(options: argparse.Namespace) -> int:
    root = catalog.project(Path.cwd())
    behaviours = catalog.behaviours(root)
    columns = _named(root, options.columns, options.modules and options.modules.absolute())
    runner.check(columns)
    results = (options.results or root / "results").absolute()
    witness = _Witness()
    status = pytest.main(_pytest_arguments(options, root, columns, results), plugins=[witness])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise KsemError(f"no case matches -k {options.k!r}: `ksem cases` lists the cases")
    if status in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        return 2
    evidence = [one for one in store.read(results, traces=False) if one.column in {column.name for column in columns}]
    ran = [one for one in behaviours if one.name in witness.cases]
    print()
    _show(matrix.build(ran, _with_problems(evidence, witness.problems, ran)), "terminal")
    return INTERRUPTED if status == pytest.ExitCode.INTERRUPTED else int(status != pytest.ExitCode.OK)


def _pytest_arguments(options: argparse.Namespace, root: Path, columns: list[Column], results: Path) -> list[str]:
    """`ksem run` as pytest understands it."""
    workers = str(min(len(columns), options.n or len(os.sched_getaffinity(0))))
    arguments = [str(root / "cases"), f"--rootdir={root}", f"--results={results}", "--no-header", "--tb=no", "-rN"]
    # Our own modules are imported already; pytest would warn that it cannot rewrite their assertions.
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    # What would cost every process a second at its end, for nothing: to import hypothesis, where it is installed, and to look
    # for garbage in all that is there, over and over.
    arguments += ["-p", "no:hypothesispytest", "-p", "no:unraisableexception"]
    if workers != "1":
        columns = runner.longest_first(columns)
        arguments += ["-n", workers]
    arguments += [f"--column={column.name}" for column in columns]
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


def _matrix(options: argparse.Namespace) -> int:
    if options.format not in renderers.names():
        raise KsemError(f"unknown format {options.format!r}: {', '.join(renderers.names())} are known")
    root = catalog.project(Path.cwd())
    directories = options.results or [root / "results"]
    evidence = [one for directory in directories for one in _evidence(directory)]
    if options.listed:
        listed = {entry.name for entry in catalog.entries(root) if entry.backend != "local"}
        evidence = [one for one in evidence if one.column in listed]
    if options.column:
        chosen = [one for one in evidence if any(fnmatch(one.column, pattern) for pattern in options.column)]
        if evidence and not chosen:
            names = ", ".join(one.column for one in evidence)
            raise KsemError(f"no column matches {', '.join(options.column)}: there are {names}")
        evidence = chosen
    if not evidence:
        raise KsemError(f"no evidence in {', '.join(map(str, directories))}: `ksem run` makes some")
    _show(matrix.build(catalog.behaviours(root), evidence), options.format, options.output)
    return 0


def _evidence(path: Path) -> list[Evidence]:
    if path.is_dir():
        return store.read(path, traces=False)
    if path.is_file():
        return [store.read_column(path)]
    raise KsemError(f"{path} does not exist: name a directory of evidence")


def _show(found: matrix.Matrix, form: str, output: Path | None = None) -> None:
    text = renderers.renderer(form)(found)
    if output and output.exists() and not output.is_file():
        # A device or a pipe is written to; only a file is replaced.
        output.write_text(text)
    elif output:
        cache.write_atomically(output.resolve(), text.encode())
    else:
        encoding = sys.stdout.encoding or "ascii"
        print(text.encode(encoding, "backslashreplace").decode(encoding), end="")


if __name__ == "__main__":
    sys.exit(main())
