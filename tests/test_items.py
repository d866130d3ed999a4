"""The ids of items: whoever reads one back finds the cell that it was made for, and no other."""

from __future__ import annotations

import pytest
from made import behaviour, case

from ksem import items
from ksem.guest.case import Params, combinations

CASES = [behaviour(case(params={"flag": ("ro", "no-dev", "a[b]"), "n": (1, 2)}), "area.thing"),
         behaviour(case(), "area.deeper.thing")]


@pytest.mark.parametrize("column", ["debian-6.12", "image:arch/x86/boot/bzImage"])
@pytest.mark.parametrize(("name", "params"), [(one.name, params) for one in CASES for params in combinations(one.case)])
def test_an_id_names_one_cell(column: str, name: str, params: Params) -> None:
    nodeid = f"cases/{name.replace('.', '/')}.py::{items.name(column, params)}"
    assert items.column_of(nodeid) == column
    assert items.cell_of(nodeid, CASES) == (name, params)


@pytest.mark.parametrize("nodeid", ["tests/test_it.py::test_it", "cases/area/thing.py::debian-6.12", "nonsense"])
def test_what_is_no_item_of_ours_names_none(nodeid: str) -> None:
    assert items.cell_of(nodeid, CASES) is None
