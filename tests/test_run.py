"""What `ksem run` shows of columns that could not be had: a row for each, wherever their names would place them.

Guards: names of machines end in anything, and none of it makes the matrix an error. The command itself is tried in test_cli.py,
on kernels in test_on_kernels.py.
"""

from __future__ import annotations

import pytest
from made import behaviour, case, cell, evidence

from ksem.commands.run import _with_problems
from ksem.model import NO_RELEASE, Column, Unavailable

COLUMNS = {
    "debian-6.12": ("debian:6.12", "6.12"),
    "debian-12-vagrant-on-6.12": ("debian:6.12", "6.12"),
    "debian-12-vagrant": ("machine", NO_RELEASE),
    "vagrant:fedora-39": ("machine", NO_RELEASE),
    "vagrant:ubuntu-22.04": ("machine", NO_RELEASE),
    "image:/boot/vmlinuz-39": ("image:/boot/vmlinuz-39", NO_RELEASE),
}


@pytest.mark.parametrize(("name", "source", "release"), [(name, *given) for name, given in COLUMNS.items()], ids=COLUMNS)
def test_a_column_that_never_was_had_has_the_release_that_it_asks_for(name: str, source: str, release: str) -> None:
    column = Column(name, "vagrant", source)
    [found] = _with_problems([], [column], {name: Unavailable(f"{name}: no luck", lost=True)}, [behaviour(case())])
    assert (found.release, found.problem, [one.status for one in found.cells]) == (release, "no luck", ["lost"])


def test_what_was_seen_before_is_not_what_a_run_saw_that_could_not_have_the_column() -> None:
    before = evidence("debian-6.12", "6.12.90", cell({"is": "so"}))
    column = Column("debian-6.12", "qemu", "debian:6.12")
    [found] = _with_problems([before], [column], {"debian-6.12": Unavailable("no disk")}, [behaviour(case())])
    assert (found.cells, found.problem) == ((), "no disk")
