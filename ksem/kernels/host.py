"""The running kernel.

Contract: the standard library and `model`. Nothing is fetched and nothing is started.
"""

from __future__ import annotations

import os

from ksem.model import Column, Kernel, Say, upstream_release


def column(name: str) -> Column | None:
    """The column `local`."""
    return Column("local", "local", "host") if name == "local" else None


def at_hand(column: Column) -> Kernel:
    """The running kernel."""
    system = os.uname()
    return Kernel(upstream_release(system.release, system.version), package=system.release)


def check(column: Column) -> None:
    """There is always a running kernel."""


def resolve(column: Column, say: Say) -> Kernel:
    """The running kernel."""
    return at_hand(column)
