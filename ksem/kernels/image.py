"""A bzImage of the user's own: `image:PATH`, with modules from `--modules DIR`.

Contract: the standard library, `model`, `initramfs`. The release is read from the image itself
(Documentation/arch/x86/boot.rst, 'kernel_version').
"""

from __future__ import annotations

import re
from pathlib import Path

from ksem import initramfs
from ksem.model import Column, Kernel, KsemError, Say, upstream_release

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
    """Raise KsemError for a file that is no bzImage, or modules of another release."""
    resolve(column, lambda line: None)


def resolve(column: Column, say: Say) -> Kernel:
    """The kernel in a file. Raises KsemError for a file that is no bzImage, or modules of another release."""
    path = Path(column.source.removeprefix(PREFIX))
    version = version_of(path)
    release = version.split()[0]
    config = path.parent / f"config-{release}"
    if column.modules is not None:
        check_modules(column.modules, release)
    return Kernel(upstream_release(release, version), package=release, image=path,
                  modules=column.modules, config=config if config.is_file() else None)


def version_of(path: Path) -> str:
    """The version text in a bzImage: `6.12.90 (builder@host) #1 SMP ...`."""
    try:
        with path.open("rb") as file:
            header = file.read(0x210)
            if header[0x202:0x206] != b"HdrS":
                raise KsemError(f"{path} is no bzImage: give the one that a kernel build leaves in arch/x86/boot/bzImage")
            file.seek(int.from_bytes(header[0x20E:0x210], "little") + 0x200)
            text = file.read(256).split(b"\0")[0].decode("ascii", "replace")
    except OSError as error:
        raise KsemError(f"{path}: {error.strerror}: name a readable bzImage") from None
    if not re.match(r"\d+\.\d+", text):
        raise KsemError(f"{path} names no kernel version in its header: give an unmodified bzImage")
    return text


def check_modules(directory: Path, release: str) -> None:
    """Raise KsemError unless a directory holds modules of this release (`uname -r`)."""
    first = next(iter(sorted(directory.rglob("*.ko*"))), None) if directory.is_dir() else None
    if first is None:
        raise KsemError(f"{directory} holds no modules: give the one that has kernel/ in it, as lib/modules/{release}")
    found = initramfs.modinfo(initramfs.decompressed(first), "vermagic")
    built_for = found[0].split()[0] if found else "an unknown release"
    if built_for != release:
        raise KsemError(f"{directory} holds modules of {built_for}, the image is {release}: give the modules of that build")
