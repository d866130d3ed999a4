"""The names of filesystems that cases may need: those of every kernel here, as it tells them itself.

Guards: a name that is missing would have ksem refuse a case that is right.
"""

from __future__ import annotations

import re
from pathlib import Path

import project
import pytest

from ksem import catalog, kernels
from ksem.filesystems import FILESYSTEMS
from ksem.initramfs import decompressed, modinfo


def registered(directory: Path) -> set[str]:
    """What the modules of a kernel, and the parts of it that could be modules, register: each asks to be found by `fs-NAME`."""
    builtin = (directory / "modules.builtin.modinfo").read_bytes().decode("ascii", "replace")
    aliases = re.findall(r"\.alias=(fs-[^\0]+)", builtin)
    for path in (directory / "kernel").rglob("*.ko*"):
        aliases += modinfo(decompressed(path), "alias")
    return {alias.removeprefix("fs-") for alias in aliases if alias.startswith("fs-")}


@pytest.mark.parametrize("name", project.COLUMNS)
def test_every_filesystem_of_a_kernel_is_known(name: str) -> None:
    column = catalog.column(name, catalog.entries(project.ROOT))
    directory = kernels.source_of(column).resolve(column, print).modules
    assert directory is not None
    found = registered(directory)
    assert {"overlay", "xfs", "fuse"} <= found
    assert found - FILESYSTEMS == set()


def test_the_filesystems_of_this_machine_are_known() -> None:
    assert {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()} - FILESYSTEMS == set()
