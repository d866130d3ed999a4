"""A handle is taken and opened, and which of the two failed is told.

Guards: without that an EPERM of the opening would look like a filesystem without handles.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ksem.guest import handles


def test_what_is_not_there_has_no_handle(tmp_path: Path) -> None:
    assert handles.open_by_handle(str(tmp_path / "none"), -1, 0) == {"handle": "ENOENT", "open": "not tried"}


def test_a_handle_is_opened_on_a_mount_that_is_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    seen = handles.open_by_handle(str(file), -1, 0)
    if seen["handle"] == "EOPNOTSUPP":
        pytest.skip("this filesystem has no handles")
    # The descriptor is looked at first, or the right: either way it is not opened.
    assert seen["handle"] == "ok"
    assert seen["open"] in ("EBADF", "EPERM", "ESTALE")


def test_links_at_the_end_are_followed() -> None:
    seen = handles.open_by_handle("/proc/self/cwd", os.open("/", os.O_RDONLY), 0)
    assert seen["handle"] in ("ok", "EOPNOTSUPP")
