"""`ksem matrix`: stored evidence in any format.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ksem import cache, catalog, designs, renderers
from ksem.commands import _common
from ksem.model import KsemError

HELP = "render stored evidence; no kernel is run"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which evidence, and how it is shown."""
    parser.add_argument("--format", default="terminal", help=", ".join(renderers.names()))
    _common.evidence_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file, whole or not at all")


def run(options: argparse.Namespace) -> int:
    """Print the matrix, or write it to a file."""
    if options.format not in renderers.names():
        near = catalog.nearest(options.format, renderers.names())
        raise KsemError(f"unknown format {options.format!r}{near}: {', '.join(renderers.names())} are known")
    render = renderers.renderer(options.format)
    root = _common.root(options)
    behaviours = catalog.behaviours(root)
    found = _common.matrix_of(options, behaviours, traces=True)
    _write(render(dataclasses.replace(found, designs=_designs(root, behaviours))), options.output)
    return 0


def _designs(root: Path, behaviours: list[catalog.Behaviour]) -> dict[str, list[str]]:
    """The names of the cases that each design relies on. One that is wrong is told, and is no reason to show nothing."""
    found = {}
    for name in designs.names(root):
        try:
            read = designs.read(designs.find(root, name), behaviours)
        except KsemError as problem:
            _common.say(f"ksem: left out: {problem}")
        else:
            found[name] = sorted({reliance.behaviour.name for reliance in read.reliances})
    return found


def _write(text: str, output: Path | None) -> None:
    if output is None:
        _common.show(text)
    elif output.exists() and not output.is_file():
        # A device or a pipe is written to; only a file is replaced.
        output.write_text(text)
    else:
        cache.write_atomically(output.resolve(), text.encode())
