"""A bzImage of the user's own: `image:PATH`, with modules from `--modules DIR`.

Contract: the standard library, `model`, `bzimage`, `initramfs`. The release is the one that the image itself names. A file that
is named to the command must be there; one that the catalogue names costs its column alone, as whatever cannot be had.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from ksem import bzimage, initramfs
from ksem.model import Column, Kernel, KsemError, Say, Unavailable, upstream_release

PREFIX = "image:"


def column(name: str) -> Column | None:
    """The column of an image; its name is the path as it was given."""
    return Column(name, "qemu", name) if name.startswith(PREFIX) else None


def at_hand(column: Column) -> Kernel | None:
    """The kernel, when its image is one."""
    try:
        return resolve(column, lambda line: None)
    except KsemError:
        return None


def check(column: Column) -> None:
    """Raise KsemError for a file that is no bzImage, or modules of another release; Unavailable where an entry names it."""
    resolve(column, lambda line: None)


def resolve(column: Column, say: Say) -> Kernel:
    """The kernel in a file. Raises KsemError for what is none, as `check` does."""
    try:
        return _read(column)
    except KsemError as problem:
        if column.name.startswith(PREFIX):
            raise
        raise Unavailable(f"{column.name}: {problem}") from None


def _read(column: Column) -> Kernel:
    path = Path(column.source.removeprefix(PREFIX))
    version = bzimage.version(path)
    release = version.split()[0]
    config = path.parent / f"config-{release}"
    if column.modules is not None:
        _check_once(column.modules, release)
    return Kernel(upstream_release(release, version), package=release, image=path,
                  modules=column.modules, config=config if config.is_file() else None)


@functools.lru_cache
def _check_once(directory: Path, release: str) -> None:
    """As a run asks several times for its kernel."""
    check_modules(directory, release)


def _first_module(directory: Path) -> Path | None:
    """The first in the order of names; to list all of them takes long."""
    for parent, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            if re.fullmatch(r"[^.].*\.ko(\.\w+)?", name):
                return Path(parent, name)
    return None


def check_modules(directory: Path, release: str) -> None:
    """Raise KsemError unless a directory holds modules of this release (`uname -r`)."""
    first = _first_module(directory)
    if first is None:
        raise KsemError(f"{directory} holds no modules: give the one that has kernel/ in it, as lib/modules/{release}")
    words = " ".join(initramfs.modinfo(initramfs.decompressed(first), "vermagic")).split()
    built_for = words[0] if words else "an unknown release"
    if built_for != release:
        raise KsemError(f"{directory} holds modules of {built_for}, the image is {release}: give the modules of that build")
