"""`ksem matrix`: stored evidence in any format.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ksem import cache, catalog, designs, matrix, renderers
from ksem.commands import _common
from ksem.model import KsemError

HELP = "render stored evidence; no kernel is run"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which evidence, and how it is shown."""
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULTS", help="directories of evidence (default: results/)")
    parser.add_argument("--format", default="terminal", help=", ".join(renderers.names()))
    parser.add_argument("--column", action="append", default=[], metavar="PATTERN", help="only these columns (debian-*)")
    parser.add_argument("--listed", action="store_true", help="only columns that vms/catalog.toml lists, without local")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file, whole or not at all")


def run(options: argparse.Namespace) -> int:
    """Print the matrix, or write it to a file."""
    if options.format not in renderers.names():
        raise KsemError(f"unknown format {options.format!r}: {', '.join(renderers.names())} are known")
    root = _common.root(options)
    directories = options.results or [root / "results"]
    evidence = _common.evidence_in(directories)
    if options.listed:
        listed = {entry.name for entry in catalog.entries(root) if entry.backend != "local"}
        evidence = [one for one in evidence if one.column in listed]
    evidence = _common.chosen(evidence, options.column)
    if not evidence:
        raise KsemError(f"no evidence in {', '.join(map(str, directories))}: `ksem run` makes some")
    behaviours = catalog.behaviours(root)
    found = dataclasses.replace(matrix.build(behaviours, evidence), designs=_designs(root, behaviours))
    _write(renderers.renderer(options.format)(found), options.output)
    return 0


def _designs(root: Path, behaviours: list[catalog.Behaviour]) -> dict[str, list[str]]:
    """The names of the cases that each design relies on."""
    read = [designs.read(designs.find(root, name), behaviours) for name in designs.names(root)]
    return {one.name: sorted({reliance.behaviour.name for reliance in one.reliances}) for one in read}


def _write(text: str, output: Path | None) -> None:
    if output is None:
        _common.show(text)
    elif output.exists() and not output.is_file():
        # A device or a pipe is written to; only a file is replaced.
        output.write_text(text)
    else:
        cache.write_atomically(output.resolve(), text.encode())
