"""`ksem cache`: what is kept between runs, and how to be rid of it.

Contract: ksem.commands says what a command is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from ksem import cache, snapshots
from ksem.commands import _common
from ksem.model import KsemError

HELP = "show what is kept between runs, or clear it"


class _Kind(NamedTuple):
    """Something that is kept: where below the cache, what it is, and whether a run makes it anew without a network."""

    places: tuple[str, ...]
    meaning: str
    plain: bool = False


KINDS = {
    "snapshots": _Kind(("snapshots",), "machines saved once they had booted", plain=True),
    "modules": _Kind(("modules",), "kernel modules, unpacked for the initramfs", plain=True),
    "disks": _Kind(("disks",), "empty filesystems", plain=True),
    "cases": _Kind(("cases",), "case files, compiled", plain=True),
    "kernels": _Kind(("debian/kernels",), "kernels; the archive may no longer have them"),
    "archive": _Kind(("debian/apt", "debian/index.json"), "lists of the archive's packages"),
    "bisect": _Kind(("bisect",), "evidence that `ksem bisect` collected"),
    "benchmarks": _Kind(("benchmarks",), "what `make benchmarks` compares ksem with"),
    "boxes": _Kind(("boxes",), "boxes of Vagrant machines"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with what."""
    parser.add_argument("action", nargs="?", choices=("show", "clear"), default="show", help="default: show")
    parser.add_argument("kinds", nargs="*", metavar="WHAT",
                        help=f"{', '.join(KINDS)}, or all; show: one by one; clear: without it, what is made anew without a "
                        f"network ({', '.join(name for name, kind in KINDS.items() if kind.plain)})")


def run(options: argparse.Namespace) -> int:
    """Show or clear. Raises KsemError for a kind that there is not, and for what cannot be removed."""
    unknown = [name for name in options.kinds if name not in (*KINDS, "all")]
    if unknown:
        raise KsemError(f"nothing called {unknown[0]!r} is kept: there are {', '.join(KINDS)} and all")
    named = [name for name in KINDS if name in options.kinds or "all" in options.kinds]
    if options.action == "clear":
        for name in named or [name for name, kind in KINDS.items() if kind.plain]:
            _clear(name)
    elif named:
        _common.show_table([("WHAT", "SIZE", "LAST CHANGE", "NAME"), *(row for name in named for row in _entries(name))])
    else:
        rows = [(name, _size(_total(name)), kind.meaning) for name, kind in KINDS.items()]
        _common.show(f"{cache.directory()}; snapshots take {_size(snapshots.limit())} at most\n")
        _common.show_table([("WHAT", "SIZE", "MEANING"), *rows, ("all", _size(sum(map(_total, KINDS))), "")])
    return 0


def _paths(name: str) -> list[Path]:
    """What is kept of a kind, one by one; a folder that holds it is none."""
    found = []
    for place in KINDS[name].places:
        path = cache.directory() / place
        found += sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    return found


def _entries(name: str) -> list[tuple[str, ...]]:
    return [(name, _size(_taken(path)), time.strftime("%Y-%m-%d %H:%M", time.localtime(path.lstat().st_mtime)), path.name)
            for path in _paths(name)]


def _total(name: str) -> int:
    return sum(map(_taken, _paths(name)))


def _taken(path: Path) -> int:
    """The bytes that something takes on its disk: images of filesystems are sparse."""
    try:
        own = path.lstat().st_blocks * 512
        return own + sum(map(_taken, path.iterdir())) if path.is_dir() and not path.is_symlink() else own
    except OSError:
        # Another run has just removed it.
        return 0


def _clear(name: str) -> None:
    before = _total(name)
    for path in _paths(name):
        try:
            # Runs that are under way have open what they need, or make it anew.
            with cache.locked(path.parent):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        except OSError as error:
            raise KsemError(f"{error.filename or path} cannot be removed: {os.strerror(error.errno or 0)}") from None
    _common.say(f"{name}: {_size(before)} cleared")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
