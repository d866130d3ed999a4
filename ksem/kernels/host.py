"""The running kernel.

Contract: the standard library and `model`. Nothing is fetched and nothing is started.
"""

from __future__ import annotations

import os
from pathlib import Path

from ksem.model import Column, Kernel, Say, upstream_release


def column(name: str) -> Column | None:
    """The column `local`."""
    return Column("local", "local", "host") if name == "local" else None


def at_hand(column: Column) -> Kernel:
    """The running kernel, with its configuration where the distribution keeps one."""
    system = os.uname()
    candidates = (Path(f"/boot/config-{system.release}"), Path(f"/lib/modules/{system.release}/config"))
    config = next((path for path in candidates if os.access(path, os.R_OK)), None)
    return Kernel(upstream_release(system.release, system.version), package=system.release, config=config)


def check(column: Column) -> None:
    """There is always a running kernel."""


def resolve(column: Column, say: Say) -> Kernel:
    """The running kernel."""
    return at_hand(column)
