"""What became of each cell between two pieces of evidence, and what git is told of a run.

Guards: a regression test that finds nothing must have looked; what became unknown is never taken for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence

from ksem import store
from ksem.against import BAD, GOOD, UNTESTED, Against, status
from ksem.compare import Comparison, Difference, Kind, compare, comparison, difference, text
from ksem.model import Cell, KsemError

FLAG = {"flag": ("ro", "nosuid")}
ASKED = [behaviour(case(params=FLAG))]
SO = cell({"is": "so", "also": 1}, {"flag": "ro"})
NOT = cell({"is": "not", "also": 1}, {"flag": "ro"})
LACKS = cell(None, {"flag": "ro"}, status="unsupported", reason="no system call mount_setattr")
NO_MODULE = cell(None, {"flag": "ro"}, status="unsupported", reason="no filesystem xfs: there is no such module")
BROKEN = cell(None, {"flag": "ro"}, status="broken", reason="set-up failed\nTraceback")
LOST = cell(None, {"flag": "ro"}, status="lost", reason="panic")


@pytest.mark.parametrize(("old", "new", "kind", "told"), [
    (SO, SO, Kind.SAME, ()),
    (SO, NOT, Kind.CHANGED, ("is: so -> not",)),
    (SO, cell({"is": "so"}, {"flag": "ro"}), Kind.CHANGED, ("also: 1 -> absent",)),
    (SO, LACKS, Kind.UNSUPPORTED, ("now: no system call mount_setattr",)),
    (LACKS, SO, Kind.SUPPORTED, ("before: no system call mount_setattr",)),
    (LACKS, cell(None, {"flag": "ro"}, status="unsupported", reason="no idmapped mounts"), Kind.SAME, ()),
    (SO, NO_MODULE, Kind.UNKNOWN, ("could not be run: no filesystem xfs: there is no such module",)),
    (SO, BROKEN, Kind.UNKNOWN, ("broken: set-up failed",)),
    (SO, LOST, Kind.UNKNOWN, ("lost: panic",)),
    (SO, None, Kind.UNKNOWN, ("not run",)),
    (NO_MODULE, SO, Kind.APPEARED, ("before: could not be run: no filesystem xfs: there is no such module",)),
    (None, SO, Kind.APPEARED, ("before: not run",)),
])
def test_what_becomes_of_a_cell(old: Cell | None, new: Cell | None, kind: Kind, told: tuple[str, ...]) -> None:
    assert difference(old, new) == Difference(kind, "area.thing", {"flag": "ro"}, told)


@pytest.mark.parametrize(("old", "new"), [(None, None), (NO_MODULE, BROKEN), (NO_MODULE, None), (None, LOST)])
def test_nothing_becomes_of_what_nobody_knew(old: Cell | None, new: Cell | None) -> None:
    assert difference(old, new) is None


def test_what_no_case_asks_for_any_more_has_vanished() -> None:
    gone = cell({"is": "so"}, {"flag": "gone"})
    found = compare(evidence("a", "6.1", gone), evidence("a", "6.1"), ASKED)
    assert [one.kind for one in found.differences] == [Kind.VANISHED]
    assert compare(evidence("a", "6.1", gone), evidence("a", "6.1", gone), ASKED).same == 1
    # Left over in the new evidence: nobody asked for it.
    assert compare(evidence("a", "6.1"), evidence("a", "6.1", gone), ASKED).differences == ()


@pytest.mark.parametrize(("paths", "kind"), [(["also"], Kind.SAME), (["is"], Kind.CHANGED), (["also", "is"], Kind.CHANGED),
                                             (["nowhere"], Kind.UNKNOWN)])
def test_only_the_leaves_that_count_are_compared(paths: list[str], kind: Kind) -> None:
    """One that is nowhere is no agreement."""
    found = difference(SO, NOT, paths=paths)
    assert found is not None
    assert found.kind is kind


CELLS = st.lists(st.sampled_from((SO, NOT, LACKS, NO_MODULE, BROKEN, LOST)), max_size=1)


@given(CELLS, CELLS)
def test_a_comparison_finds_what_the_one_before_found_the_other_way(one: list[Cell], other: list[Cell]) -> None:
    there = compare(evidence("a", "6.1", *one), evidence("a", "6.1", *other), ASKED)
    back = compare(evidence("a", "6.1", *other), evidence("a", "6.1", *one), ASKED)
    turned = {Kind.CHANGED: Kind.CHANGED, Kind.UNKNOWN: Kind.APPEARED, Kind.APPEARED: Kind.UNKNOWN,
              Kind.SUPPORTED: Kind.UNSUPPORTED, Kind.UNSUPPORTED: Kind.SUPPORTED}
    assert [turned[found.kind] for found in there.differences] == [found.kind for found in back.differences]
    assert there.same == back.same
    assert compare(evidence("a", "6.1", *one), evidence("a", "6.1", *one), ASKED).differences == ()


def test_the_text_draws_together_what_changed_alike_and_counts() -> None:
    found = compare(evidence("debian-6.1", "6.1", SO, cell({"is": "so", "also": 1}, {"flag": "nosuid"})),
                    evidence("debian-6.2", "6.2", NOT, cell({"is": "not", "also": 1}, {"flag": "nosuid"}),
                             environment={"backend": "local"}), ASKED)
    assert text(found, ASKED, 100).splitlines() == [
        "debian-6.1 (6.1) -> debian-6.2 (6.2)", "  changed: area.thing [all 2]", "    is: so -> not",
        "  environment: release: 6.1 -> 6.2; backend: qemu -> local", "  0 the same, 2 changed"]


def test_the_text_obeys_no_escape_of_a_kernel() -> None:
    found = compare(evidence("a", "6.1", SO), evidence("a", "6.2\x1b[2J", cell({"is": "\x1b[31m"}, {"flag": "ro"})), ASKED)
    assert "\x1b" not in text(found, ASKED, 40)


def outcomes(*kinds: Kind) -> Comparison:
    return comparison("old", "new", [Difference(kind, "area.thing", {"flag": str(number)}, ())
                                     for number, kind in enumerate(kinds)])


@pytest.mark.parametrize(("kinds", "expected"), [
    ((Kind.SAME,), GOOD), ((Kind.SAME, Kind.APPEARED), GOOD), ((Kind.SAME, Kind.CHANGED), BAD),
    ((Kind.CHANGED, Kind.UNKNOWN), BAD), ((Kind.SUPPORTED,), BAD), ((Kind.SAME, Kind.UNSUPPORTED), BAD),
    ((Kind.SAME, Kind.UNKNOWN), UNTESTED), ((), UNTESTED), ((Kind.APPEARED,), UNTESTED),
])
def test_git_is_told_good_only_of_what_was_compared(kinds: Sequence[Kind], expected: int) -> None:
    assert status([outcomes(*kinds)]) == expected
    assert (GOOD, BAD, UNTESTED) == (0, 1, 125)


@pytest.mark.parametrize("kind", Kind)
def test_only_what_takes_something_away_is_a_finding(kind: Kind) -> None:
    assert outcomes(kind).findings == int(kind not in (Kind.SAME, Kind.APPEARED, Kind.SUPPORTED))


def test_git_is_told_bad_when_any_column_is() -> None:
    assert status([outcomes(Kind.SAME), outcomes(Kind.CHANGED)]) == BAD
    assert status([]) == UNTESTED


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    store.write(tmp_path, [evidence("debian-6.1", "6.1.9", SO), evidence("local", "6.2", NOT)], ["area.thing"])
    return tmp_path


def test_a_directory_has_evidence_for_each_column_and_a_file_for_any(stored: Path) -> None:
    both = Against(stored, ["debian-6.1", "local"])
    one = Against(stored / "debian-6.1.json", ["image:x"])
    assert [found.kind for column in ("debian-6.1", "local") if (found := both.judge(column, SO))] == [Kind.SAME, Kind.CHANGED]
    assert (found := one.judge("image:x", NOT))
    assert found.told == ("is: so -> not",)
    assert one.named("image:x") == f"debian-6.1 (6.1.9) of {stored / 'debian-6.1.json'}"
    assert (found := one.judge("image:x", cell({"is": "so"}, {"flag": "nosuid"})))
    assert found.kind is Kind.APPEARED


@pytest.mark.parametrize(("name", "words"), [("", "no evidence of debian-7.3"), ("nowhere", "does not exist")])
def test_evidence_that_is_not_there_is_named(stored: Path, name: str, words: str) -> None:
    with pytest.raises(KsemError, match=words):
        Against(stored / name, ["debian-7.3"])
