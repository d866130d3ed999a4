"""The report on mutants that nobody noticed: what counts, what is explained, and explanations that are out of date.

Guards: no survivor passes without a word, and no word outlives its survivor.
"""

from __future__ import annotations

from collections.abc import Mapping

from made import case

from ksem.mutating import DROP, FLIP, WORD, Finding, Measured
from ksem.survivors import Report


def found(kind: str, call: str, survived: bool, place: str = "7", site: str = "") -> Finding:
    """What came of one question."""
    return Finding(kind, place, site, survived, call, f"main: {call} = 0")


def report(*cells: Measured, others: int = 0, survivors: Mapping[str, str] | None = None) -> Report:
    """On the cells of one case, with its explanations. others: how many cells it has beside these."""
    one = Report({"area.thing": case(survivors=survivors or {})}, {"area.thing": len(cells) + others})
    for cell in cells:
        one.add("area.thing", cell)
    return one


def cell(*findings: Finding) -> Measured:
    """A cell with these."""
    return Measured(len(findings), sum(not one.survived for one in findings), findings)


IDLE = found(DROP, 'mkdir("a", 0755)', True)


def test_what_survives_wherever_it_is_made_is_to_be_explained() -> None:
    told = report(cell(IDLE), cell(IDLE))
    assert told.problems() == 1
    text = told.text(100)
    assert 'drop, 2 times, line 7: main: mkdir("a", 0755) = 0\n      not explained' in text
    assert "1 cases, 2 cells: 2 mutants, 0 killed; 1 lines make calls that survive" in text
    assert "0 explained and 1 not" in " ".join(text.split())


def test_what_one_cell_notices_is_needed() -> None:
    told = report(cell(IDLE), cell(found(DROP, 'mkdir("a", 0755)', False)))
    assert told.problems() == 0
    assert "1 survive now and then" in told.text(100)


def test_a_loop_asks_about_each_file_and_not_in_each_round() -> None:
    """What differs otherwise is due to parameters, and to what the loop is about."""
    needed = found(DROP, 'mkdir("a", 0700)', False)
    assert report(cell(IDLE, needed)).problems() == 0
    assert report(cell(IDLE, needed._replace(call='mkdir("b", 0755)'))).problems() == 1
    assert report(cell(IDLE, needed._replace(place="8"))).problems() == 1
    both = report(cell(IDLE, IDLE._replace(call='mkdir("b", 0755)')), survivors={'drop mkdir("b"*': "why"})
    assert both.problems() == 1
    assert 'mkdir("a", 0755) = 0 (and 1 others)\n      not explained' in both.text(100)


def test_a_case_explains_its_survivors_by_a_pattern() -> None:
    told = report(cell(IDLE), survivors={"drop mkdir(*": "It is there for show."})
    assert told.problems() == 0
    assert "explained: It is there for show." in told.text(100)
    assert "1 explained and 0 not" in " ".join(told.text(100).split())


def test_an_explanation_of_another_kind_explains_nothing() -> None:
    told = report(cell(IDLE), survivors={"flip mkdir(*": "why"})
    assert told.problems() == 2
    assert "explains no survivor: 'flip mkdir(*'" in told.text(100)


def test_whether_an_explanation_is_out_of_date_nobody_knows_of_a_part() -> None:
    dead = cell(found(DROP, "mkdir()", False))
    assert report(dead, survivors={"drop mkdir(*": "why"}).problems() == 1
    assert report(dead, others=1, survivors={"drop mkdir(*": "why"}).problems() == 0
    assert report(dead, Measured(reason="unsupported: no"), survivors={"drop mkdir(*": "why"}).problems() == 0


def test_what_survives_in_a_part_may_be_noticed_by_the_rest() -> None:
    told = report(cell(IDLE), others=1)
    assert told.problems() == 0
    assert "1 of its 2 cells" in told.text(100)
    assert "      not noticed by these" in told.text(100)
    assert "0 explained and 0 not, 1 in cases of which a part was run" in " ".join(told.text(100).split())


def test_a_word_and_a_helpers_call_are_told_and_need_no_explanation() -> None:
    told = report(cell(found(WORD, "chmod()", True), found(DROP, "prctl()", True, "lab.become", "lab.become prctl 1"),
                       found(FLIP, "statx()", False)))
    assert told.problems() == 0
    assert "1 at its word" in told.text(100)
    assert "no case notices, 1 times: drop main: prctl() = 0 (lab.become)" in told.text(100)


def test_what_was_not_measured_is_told() -> None:
    assert "not measured: unsupported: no such call" in report(Measured(reason="unsupported: no such call")).text(100)
