"""Modules of the initramfs are loaded in their order; only the one that is wanted must succeed, and a failure is told in full.

Guards: a soft dependency may be for another processor (ENODEV), and is not to take the filesystem away; a reason that names
the wrong module sends the reader astray.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path

from ksem.guest import modules

ORDER = {"btrfs": ["xor", "crc32c_intel", "btrfs"]}


def loaded(**answers: int) -> tuple[str | None, list[str]]:
    """What `load` says of btrfs where the kernel answers so to each module, and what it was given."""
    given: list[str] = []

    def insert(path: str) -> int:
        given.append(Path(path).name)
        return answers.get(Path(path).stem, 0)

    return modules.load("btrfs", json.dumps(ORDER), insert), given


def test_modules_are_loaded_in_order() -> None:
    assert loaded() == (None, ["xor.ko", "crc32c_intel.ko", "btrfs.ko"])


def test_what_is_loaded_already_is_fine() -> None:
    assert loaded(xor=errno.EEXIST, btrfs=errno.EEXIST)[0] is None


def test_another_that_cannot_be_loaded_is_no_matter_if_the_wanted_one_can() -> None:
    assert loaded(crc32c_intel=errno.ENODEV) == (None, ["xor.ko", "crc32c_intel.ko", "btrfs.ko"])


def test_all_that_failed_before_the_wanted_one_is_told() -> None:
    reason, _ = loaded(xor=errno.EINVAL, btrfs=errno.ENOENT)
    assert reason == "loading the module xor failed with EINVAL, loading the module btrfs failed with ENOENT"


def test_a_module_that_did_not_come_along_is_told() -> None:
    assert modules.load("xfs", json.dumps(ORDER), int) == "its module is not at hand"
    assert modules.load("xfs", None, int) == "its module is not loaded, and this machine is left as it is"
