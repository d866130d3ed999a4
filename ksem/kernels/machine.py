"""The kernel that a machine comes with: whatever its disk boots.

Contract: `model`. The release is known once the machine runs. `vagrant:NAME` is the column of any machine that the project's
vms/Vagrantfile defines.
"""

from __future__ import annotations

from ksem.model import Column, Kernel, Say

PREFIX = "vagrant:"


def column(name: str) -> Column | None:
    """The column of a machine of the Vagrantfile, `vagrant:debian-12`."""
    return Column(name, "vagrant", "machine", machine=name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None


def at_hand(column: Column) -> Kernel:
    """Nothing is known of it without starting the machine."""
    return Kernel("-", remark="its machine's own")


def check(column: Column) -> None:
    """Nothing can be wrong with a kernel that nobody names."""


def resolve(column: Column, say: Say) -> Kernel:
    """The machine's own: no image."""
    return Kernel("")
