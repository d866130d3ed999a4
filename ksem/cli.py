"""The `ksem` command: parses and calls a command of ksem.commands; a user's mistake ends with one line on stderr, status 2.

Contract: wiring only. Exit status: 0 all is as expected, 1 something is not, 2 the command could not do what was asked.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ksem import __version__, commands
from ksem.model import INTERRUPTED, KsemError
from ksem.wrap import shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    # Evidence is hundreds of thousands of values and no garbage: to look for some after every 700 new ones takes half the time.
    gc.set_threshold(100_000, 50)
    try:
        words = sys.argv[1:] if arguments is None else arguments
        options = _parser(_first(words)).parse_args(words)
        status = commands.command(options.command).run(options)
        sys.stdout.flush()
        return int(status)
    except KsemError as problem:
        print(f"ksem: {shown(str(problem))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # Python must not complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"ksem: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        return 2


def _first(words: Sequence[str]) -> str | None:
    """The first word that is no option and no option's value."""
    left = iter(words)
    for word in left:
        if not word.startswith("-"):
            return word
        if word in ("-h", "--help"):
            return None
        # As argparse has it, options may be cut short.
        if len(word) > 2 and "--project".startswith(word):
            next(left, None)
    return None


def _parser(first: str | None) -> argparse.ArgumentParser:
    """first: where that is a command, no other is imported: all of them take a tenth of a second."""
    parser = argparse.ArgumentParser(prog="ksem", description="Kernel semantics, confirmed on real kernels.")
    parser.add_argument("--version", action="version", version=f"ksem {__version__}")
    parser.add_argument("--project", type=Path, metavar="DIR", help="the project with cases/ (default: where you are)")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    names = commands.names()
    for name in [first] if first in names else names:
        command = commands.command(name)
        command.arguments(subparsers.add_parser(name, help=command.HELP))
    return parser


if __name__ == "__main__":
    sys.exit(main())
