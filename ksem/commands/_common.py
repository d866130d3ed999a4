"""What several commands share: the project, stored evidence as the user names it, and how text is printed.

Contract: wiring, as every module of ksem.commands.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ksem import catalog, matrix, store
from ksem.catalog import Behaviour
from ksem.matrix import Matrix
from ksem.model import Column, Evidence, KsemError
from ksem.wrap import escaped, printable, shown


def root(options: argparse.Namespace) -> Path:
    """The project that a command is about: the one that --project names, or the one around the current directory."""
    return catalog.project(options.project.absolute() if options.project else Path.cwd())


def behaviours_for(project: Path, patterns: Collection[str]) -> list[Behaviour]:
    """The cases, for a command that is about some of them. Raises KsemError when one of those is wrong; another one is told."""
    found, wrong = catalog.readable(project)
    for name, problem in wrong.items():
        if any(fnmatch(name, pattern) for pattern in patterns):
            raise problem
    for problem in wrong.values():
        say(f"ksem: left out: {printable(str(problem))}")
    return found


def behaviour(project: Path, name: str) -> Behaviour:
    """The case that a command is about. Raises KsemError, with the nearest name."""
    return catalog.named(behaviours_for(project, [name]), name)


def count(text: str) -> int:
    """A number of things, at least one, as argparse takes it."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def say(line: str) -> None:
    """A line of progress, or a notice: not what the command was asked for."""
    print(shown(line), file=sys.stderr, flush=True)


def show(text: str, end: str = "") -> None:
    """Print what the command was asked for; what the output's encoding lacks is escaped."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end=end)


def show_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Rows of equal length; every column but the last is as wide as its widest text."""
    widths = [max(len(escaped(row[index])) for row in rows) for index in range(len(rows[0]) - 1)]
    for row in (tuple(map(escaped, row)) for row in rows):
        show("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip(), "\n")


def named_columns(project: Path, names: Iterable[str], *how: Any) -> list[Column]:
    """The columns of these names; without any, those that the catalogue has for every run. how: as for `catalog.columns`."""
    columns = catalog.columns(project, names or [entry.name for entry in catalog.entries(project) if entry.default], *how)
    if not columns:
        raise KsemError("vms/catalog.toml names no column: name one (`ksem run local`)")
    return columns


def evidence_in(paths: Iterable[Path], traces: bool = True) -> list[tuple[Path, Evidence]]:
    """All evidence in some directories and files, each with which it is from. Raises KsemError where there is none, none that
    can be read, or twice that of a column.

    traces: whether cells come with theirs, which are most of it.
    """
    paths = list(paths)
    found = [(path, one) for path in paths for one in evidence_at(path, traces)]
    if not found:
        raise KsemError(f"no evidence in {', '.join(map(str, paths))}: `ksem run` makes some")
    places: dict[str, Path] = {}
    for path, one in found:
        if one.column in places:
            raise KsemError(f"{one.column} is in {places[one.column]} and once more in {path}: name one of them")
        places[one.column] = path
    return found


def evidence_at(path: Path, traces: bool = True) -> list[Evidence]:
    """All evidence in a directory, or in one column's file. Raises KsemError when there is neither."""
    if path.is_dir():
        return store.read(path, traces)
    if path.is_file():
        return [store.read_column(path)]
    raise KsemError(f"{path} does not exist: name a directory of evidence")


def evidence_of(name: str, results: Path) -> list[Evidence]:
    """What a user calls evidence: a directory, a file, or a column of `results`. Raises KsemError, with the nearest column."""
    if Path(name).exists() and not Path(name).is_dir():
        return [store.read_column(Path(name))]
    if not Path(name).is_dir() and not results.is_dir():
        raise KsemError(f"{results} does not exist: name a directory of evidence")
    # A directory may have a column's name by accident: what holds no evidence is none.
    if Path(name).is_dir() and (found := store.read(Path(name), traces=False)):
        return found
    known = {one.column: one for one in store.read(results, traces=False)}
    if name in known:
        return [known[name]]
    if Path(name).is_dir():
        raise KsemError(f"no evidence in {name}: `ksem run` makes some")
    there = f"there are {', '.join(known)}" if known else "it has none"
    raise KsemError(f"{name!r} is no file, no directory and no column of {results}{catalog.nearest(name, known)}: {there}")


def chosen(evidence: Iterable[Evidence], patterns: Sequence[str]) -> list[Evidence]:
    """The columns that match a pattern. Raises KsemError, with the nearest name, for a pattern that none matches."""
    evidence = list(evidence)
    names = [one.column for one in evidence]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise KsemError(f"no column matches {pattern}{catalog.nearest(pattern, names)}: there are {', '.join(names)}")
    return [one for one in evidence if any(fnmatch(one.column, pattern) for pattern in patterns)]


def listed(project: Path, evidence: Iterable[Evidence], named: Collection[str] = (),
           how: str = "--column {}") -> list[Evidence]:
    """The columns that a question is about when it names none: those of vms/catalog.toml, but for this machine's own.

    A kernel that somebody has tried (local, an image, an exact release) changes no answer about the others: it is left out, and
    that is said. Where none is listed, all are meant. named: columns whose own files were named. how: to name one.
    """
    evidence = list(evidence)
    known = {entry.name for entry in catalog.entries(project) if entry.backend != "local"}
    if not any(one.column in known for one in evidence):
        return evidence
    others = [one.column for one in evidence if one.column not in known | set(named)]
    if others:
        what = "this machine's own evidence" + (" or what vms/catalog.toml does not list" if others != ["local"] else "")
        hint = how.format(others[0] if len(others) == 1 else "NAME")
        say(f"ksem: left out: {printable(', '.join(others))} ({what} counts only when named: {printable(hint)})")
    return [one for one in evidence if one.column not in others]


def evidence_arguments(parser: argparse.ArgumentParser) -> None:
    """What commands that tell something about stored evidence have in common."""
    parser.add_argument("--results", action="append", default=[], type=Path, metavar="RESULTS",
                        help="evidence, a directory or a file; repeatable (default: results/)")
    parser.add_argument("--column", action="append", default=[], metavar="PATTERN",
                        help="only these columns (debian-*); repeatable (default: those of vms/catalog.toml, without local)")


def asked(options: argparse.Namespace, traces: bool = False, named: Collection[str] = ()) -> list[Evidence]:
    """The evidence that `evidence_arguments` chose. Raises KsemError when there is none.

    named: columns that another option names, and that are meant beside the others.
    """
    project = root(options)
    found = evidence_in(options.results or [project / "results"], traces)
    evidence = [one for _, one in found]
    if options.column:
        return chosen(evidence, options.column)
    return listed(project, evidence, {*named, *(one.column for path, one in found if path.is_file())})


def matrix_of(options: argparse.Namespace, behaviours: Iterable[Behaviour], traces: bool = False,
              named: Collection[str] = ()) -> Matrix:
    """The matrix of the evidence that `evidence_arguments` chose, as `asked` finds it."""
    return matrix.build(behaviours, asked(options, traces, named))


def check_column(name: str, found: Matrix) -> None:
    """Raise KsemError, with the nearest, when there is no evidence of a column that a user names; "" names none."""
    names = [column.column for column in found.columns]
    if name and name not in names:
        raise KsemError(f"there is no evidence of {name!r}{catalog.nearest(name, names)}: there are {', '.join(names)}")


def width() -> int:
    """How wide text is set: as the terminal is, within reason; a pipe takes as much as a wide one."""
    return max(40, min(160, shutil.get_terminal_size((110, 24)).columns))
