"""Modules of the initramfs are loaded in their order; only the one that is wanted must succeed, and a failure is told in full.

Guards: a soft dependency may be for another processor (ENODEV), and is not to take the filesystem away; a reason that names
the wrong module sends the reader astray.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from ksem.guest import modules

ORDER = {"btrfs": ["xor", "crc32c_intel", "btrfs"]}


def loaded(monkeypatch: pytest.MonkeyPatch, directory: Path, **answers: int) -> tuple[str | None, list[str]]:
    """What `load` says of btrfs where the kernel answers so to each module, and what it was given."""
    given: list[str] = []

    def load(path: str) -> int:
        given.append(Path(path).name)
        return answers.get(Path(path).stem, 0)

    (directory / "order.json").write_text(json.dumps(ORDER))
    monkeypatch.setattr(modules, "DIRECTORY", str(directory))
    monkeypatch.setattr(modules, "_finit_module", load)
    return modules.load("btrfs"), given


def test_modules_are_loaded_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert loaded(monkeypatch, tmp_path) == (None, ["xor.ko", "crc32c_intel.ko", "btrfs.ko"])


def test_what_is_loaded_already_is_fine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert loaded(monkeypatch, tmp_path, xor=errno.EEXIST, btrfs=errno.EEXIST)[0] is None


def test_another_that_cannot_be_loaded_is_no_matter_if_the_wanted_one_can(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert loaded(monkeypatch, tmp_path, crc32c_intel=errno.ENODEV) == (None, ["xor.ko", "crc32c_intel.ko", "btrfs.ko"])


def test_all_that_failed_before_the_wanted_one_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reason, _ = loaded(monkeypatch, tmp_path, xor=errno.EINVAL, btrfs=errno.ENOENT)
    assert reason == "loading the module xor failed with EINVAL, loading the module btrfs failed with ENOENT"


def test_a_module_that_did_not_come_along_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    monkeypatch.setattr(modules, "DIRECTORY", str(tmp_path))
    assert modules.load("xfs") == "this kernel comes without such a module"
    monkeypatch.setattr(modules, "DIRECTORY", str(tmp_path / "nowhere"))
    assert modules.load("xfs") == "its module is not loaded, and this machine is left as it is"
