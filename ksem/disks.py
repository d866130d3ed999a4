"""Disks with one empty filesystem each, for the machines that we boot: made once by mkfs, kept in the cache, sparse.

Contract: the standard library, `cache`, `model`, and the serials of `ksem.guest.disks`. Machines get them as snapshots: what
a machine writes is gone with it, so an image is the same for every run and may be shared by several at a time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ksem import cache
from ksem.guest.disks import FILESYSTEMS
from ksem.model import KsemError, Unavailable


class _Recipe(NamedTuple):
    """How an image is made: the package that has the program, the megabytes, the command without the file."""

    package: str
    size: int
    command: tuple[str, ...]


# What the oldest kernel cannot mount is switched off, whatever newer tools do by default.
RECIPES = {
    "ext4": _Recipe("e2fsprogs", 64, ("mkfs.ext4", "-q", "-F", "-I", "256", "-m", "0",
                                      "-E", "lazy_itable_init=0,lazy_journal_init=0")),
    # mkfs.xfs wants 300 MB, mkfs.btrfs 109 MB.
    "xfs": _Recipe("xfsprogs", 320, ("mkfs.xfs", "-q", "-f", "-m", "bigtime=0,inobtcount=0", "-i", "nrext64=0")),
    "btrfs": _Recipe("btrfs-progs", 128, ("mkfs.btrfs", "-q", "-f")),
}
assert set(RECIPES) == set(FILESYSTEMS)
# The log of an XFS is 64 MB of zeros.
_COPY = ("cp", "--sparse=always")


def images(filesystems: Iterable[str]) -> dict[str, Path]:
    """The image of each of these that lives on a disk. Raises Unavailable where a program is missing, naming its package."""
    return {name: _image(name) for name in sorted(set(filesystems) & set(RECIPES))}


def _image(name: str) -> Path:
    recipe = RECIPES[name]
    directory = cache.directory("disks")
    # A changed recipe makes another file: the old one may be in use.
    path = directory / f"{name}-{hashlib.sha256(repr((recipe, _COPY)).encode()).hexdigest()[:12]}.img"
    with cache.locked(directory):
        if not path.exists():
            _make(recipe, path)
    return path


def _make(recipe: _Recipe, path: Path) -> None:
    # An ordinary user's PATH lacks the programs of the administrator.
    program = shutil.which(recipe.command[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if program is None:
        raise Unavailable(f"{recipe.command[0]} is missing: apt-get install {recipe.package}")
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
        os.truncate(file.name, recipe.size << 20)
        done = subprocess.run([program, *recipe.command[1:], file.name], capture_output=True, text=True, check=False)
        if done.returncode:
            raise KsemError(f"{' '.join(recipe.command)} failed: {(done.stderr or done.stdout).strip()}")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as sparse:
            # What it took of room without writing to it goes, too.
            done = subprocess.run([*_COPY, file.name, sparse.name], capture_output=True, text=True, check=False)
            if done.returncode:
                raise KsemError(f"{path} cannot be made: {done.stderr.strip()}")
            os.link(sparse.name, path)
