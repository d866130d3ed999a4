"""A decision counts nothing as good that was not seen, and says what was seen instead.

Guards: software is shipped on the strength of it. The designs that come with the project are read against its cases and decided
on its evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import project
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence

from ksem import catalog, designs, store
from ksem.decide import Decision, Lowest, Support, conclusion, decide, lowest, text
from ksem.designs import Design, Reliance
from ksem.guest.case import combinations
from ksem.model import Cell, Evidence, KsemError

FLAG = {"flag": ("ro", "nosuid")}
CASE = case({"is": "so", "also": "yes"}, params=FLAG)


def design(*required: bool, observation: Mapping[str, tuple[str, ...]] | None = None) -> Design:
    """A design that relies on `is` being `so`, once for each need that is given."""
    made = behaviour(CASE)
    reliances = (Reliance(made, tuple(combinations(CASE)), observation or {"is": ("so",)}, "it matters", need)
                 for need in required or (True,))
    return Design("design", "A design", "About.", tuple(reliances))


def column(name: str, release: str, *seen: str | Cell) -> Evidence:
    """Evidence of the two flags: what `is`, or a whole cell."""
    cells = [one if isinstance(one, Cell) else cell({"is": one, "also": "yes"}, {"flag": flag})
             for one, flag in zip(seen, FLAG["flag"], strict=False)]
    return evidence(name, release, *cells)


def lacking(reason: str, flag: str = "ro") -> Cell:
    return cell(None, {"flag": flag}, status="unsupported", reason=reason)


def support(of: Design, one: Evidence) -> Support:
    return decide(of, [one])[0].support


@pytest.mark.parametrize(("seen", "expected"), [
    (("so", "so"), Support.SUPPORTED),
    (("so", "not"), Support.UNSUPPORTED),
    (("so",), Support.UNKNOWN),
    ((), Support.UNKNOWN),
    # What is wrong is wrong, whatever else is not known.
    (("not",), Support.UNSUPPORTED),
    # The kernel lacks the call: that is no other observation, but no support either.
    ((lacking("no system call mount_setattr"),), Support.UNSUPPORTED),
    # The machine came without a module or without root: another one with this kernel may do better.
    ((lacking("no filesystem overlay: its module is not at hand"),), Support.UNKNOWN),
    ((lacking("needs root outside of any user namespace"),), Support.UNKNOWN),
    ((cell(None, {"flag": "ro"}, status="broken", reason="set-up failed"),), Support.UNKNOWN),
    ((cell(None, {"flag": "ro"}, status="lost"),), Support.UNKNOWN),
    ((cell(None, {"flag": "ro"}, status="flaky"),), Support.UNKNOWN),
])
def test_a_column_is_what_its_evidence_says(seen: tuple[Any, ...], expected: Support) -> None:
    assert support(design(), column("a", "6.1", *seen)) is expected


def test_a_leaf_that_is_not_there_is_not_what_is_relied_on() -> None:
    found, = decide(design(observation={"is": ("so",), "more": ("x",)}), [column("a", "6.1", "so", "so")])
    assert found.support is Support.UNSUPPORTED
    assert {(miss.path, miss.value) for miss in found.misses} == {("more", "absent")}


def test_a_choice_of_values_will_do() -> None:
    either = design(observation={"is": ("so", "so too")})
    assert support(either, column("a", "6.1", "so", "so too")) is Support.SUPPORTED
    assert support(either, column("a", "6.1", "so", "else")) is Support.UNSUPPORTED


def test_what_is_only_wanted_does_not_decide_and_is_told() -> None:
    found, = decide(design(False), [column("a", "6.1", "not", "so")])
    assert found.support is Support.SUPPORTED
    assert [miss.value for miss in found.misses] == ["not"]
    assert "wanted: area.thing" in text(design(False), [found], 100)


@given(st.lists(st.tuples(st.sampled_from(("so", "not")), st.booleans()), min_size=2, max_size=2))
def test_knowing_less_makes_nothing_good(cells: list[tuple[str, bool]]) -> None:
    made = [cell({"is": seen}, {"flag": flag}) for (seen, _), flag in zip(cells, FLAG["flag"], strict=True)]
    known = [one for one, (_, kept) in zip(made, cells, strict=True) if kept]
    if support(design(), evidence("a", "6.1", *known)) is Support.SUPPORTED:
        assert support(design(), evidence("a", "6.1", *made)) is Support.SUPPORTED
        assert len(known) == len(made)


GOOD, BAD, DARK = Support.SUPPORTED, Support.UNSUPPORTED, Support.UNKNOWN


def decisions(*states: tuple[str, Support]) -> list[Decision]:
    """A column for each release and state: `6.1` is column c6.1; a second one of a release is d6.1."""
    names: list[str] = []
    for release, _ in states:
        names.append(("d" if f"c{release}" in names else "c") + release)
    return [Decision(name, release, state, ()) for name, (release, state) in zip(names, states, strict=True)]


@pytest.mark.parametrize(("states", "release", "before", "earlier"), [
    ([("5.10", BAD), ("6.1", GOOD), ("6.12", GOOD)], "6.1", [("5.10", BAD)], []),
    # The order is that of releases, not of names or of the evidence.
    ([("6.12", GOOD), ("6.2", BAD), ("6.9", GOOD)], "6.9", [("6.2", BAD)], []),
    ([("6.1", GOOD), ("6.12", GOOD)], "6.1", [], []),
    ([("5.10", BAD), ("6.1", DARK), ("6.12", GOOD)], "6.12", [("6.1", DARK), ("5.10", BAD)], []),
    ([("5.10", GOOD), ("6.1", BAD), ("6.12", GOOD)], "6.12", [("6.1", BAD)], ["5.10"]),
    ([("5.10", GOOD), ("6.1", BAD)], "", [("6.1", BAD)], ["5.10"]),
    ([("5.10", GOOD), ("6.1", DARK)], "", [("6.1", DARK), ("5.10", GOOD)], ["5.10"]),
    ([("5.9", BAD), ("5.10", GOOD), ("6.1", DARK), ("6.12", GOOD)], "6.12", [("6.1", DARK), ("5.10", GOOD)], ["5.10"]),
    # One release in two environments: bad is bad, and a column that is not known does not hide the other.
    ([("6.1", GOOD), ("6.1", BAD), ("6.12", GOOD)], "6.12", [("6.1", BAD)], []),
    ([("6.1", DARK), ("6.1", GOOD), ("6.12", GOOD)], "6.1", [], []),
    ([], "", [], []),
])
def test_the_lowest_release_from_which_all_later_ones_are_good(states: list[tuple[str, Support]], release: str,
                                                               before: list[tuple[str, Support]], earlier: list[str]) -> None:
    found = lowest(decisions(*states))
    assert (found.release, list(found.before), list(found.earlier)) == (release, before, earlier)


def test_columns_that_others_speak_for_are_named() -> None:
    found = lowest(decisions(("6.1", DARK), ("6.1", GOOD), ("6.12", GOOD)))
    assert (found.columns, found.silent) == (("d6.1",), ("c6.1",))
    assert "Not all that is required is known of c6.1; another column of the same release is good." in conclusion(found)


def test_what_was_not_run_is_told_once_by_its_reason() -> None:
    made = design(True, True)
    told = text(made, decide(made, [column("debian-6.1", "6.1", "so", lacking("no filesystem xfs: none", "nosuid")),
                                    column("debian-6.2", "6.2", "so")]), 100)
    assert ("not known of debian-6.1:\n  could not be run: no filesystem xfs: none:\n  - required: area.thing\n\n"
            "not known of debian-6.2:\n  not run:\n  - required: area.thing\n\n") in told


def test_a_partial_column_that_is_set_aside_decides_nothing_and_is_named() -> None:
    made = design()
    found = decide(made, [column("debian-6.1", "6.1", "so", "so"), column("extra", "6.2", "so"),
                          column("debian-6.3", "6.3", "so", "so")])
    assert [one.is_partial for one in found] == [False, True, False]
    assert "Nothing is known of 6.2" in text(made, found, 100)
    told = text(made, found, 100, found[1:2])
    assert "extra       6.2      unknown    0 of 1" in told
    assert "Not all that is required was run on extra: not counted" in told
    assert "Good from 6.1 on" in told
    assert "not known of" not in told


@pytest.mark.parametrize("one", [column("a", "6.1", "not"), column("a", "6.1", "so", lacking("no disk xfs", "nosuid"))])
def test_what_is_bad_or_cannot_be_run_is_not_set_aside(one: Evidence) -> None:
    assert not decide(design(), [one])[0].is_partial


@pytest.mark.parametrize(("found", "words"), [
    (Lowest("6.1", ("a",), (("5.10", BAD),), (), ()), "Good from 6.1 on (a): that release and all later ones are. 5.10 is bad:"
     " the change lies between 5.10 and 6.1."),
    (Lowest("6.12", ("a",), (("6.1", DARK), ("5.10", BAD)), (), ()), "5.10 is bad and nothing is known of 6.1: the change lies"
     " between 5.10 and 6.12."),
    (Lowest("6.12", ("a",), (("6.1", DARK),), (), ()), "Nothing is known of 6.1, and no older release was asked"),
    (Lowest("6.12", ("a",), (("6.1", DARK), ("5.10", GOOD)), (), ("5.10",)), "Nothing is known of 6.1; 5.10 is good. Good"),
    (Lowest("6.1", ("a",), (), (), ()), "No older release was asked"),
    (Lowest("", (), (("6.12", BAD),), (), ("6.1",)), "There is no release from which all later ones are good: the highest,"
     " 6.12, is bad. Good too, but with a later one that is bad or not known: 6.1."),
    (Lowest("", (), (), (), ()), "There is no release from which all later ones are good."),
])
def test_the_conclusion_is_as_uncertain_as_the_evidence(found: Lowest, words: str) -> None:
    assert words in conclusion(found)


@pytest.mark.parametrize(("states", "words"), [
    ([("6.12", GOOD)], "Of the columns asked for, good on 6.12 (c6.12): other releases may be bad."),
    ([("6.1", GOOD), ("6.12", GOOD)], "Of the columns asked for, all from 6.1 (c6.1) to 6.12 are good: other releases may be"
     " bad."),
    ([("5.10", BAD), ("6.1", DARK), ("6.12", GOOD)], "Of the columns asked for, good on 6.12 (c6.12): other releases may be"
     " bad. 5.10 is bad and nothing is known of 6.1: the change lies between 5.10 and 6.12."),
    ([("6.1", DARK), ("6.12", GOOD)], "other releases may be bad. Nothing is known of 6.1."),
    ([("5.10", GOOD), ("6.1", BAD)], "Of the columns asked for, the highest, 6.1, is bad. Good too, but with a later one that"),
    ([("6.1", DARK)], "Of the columns asked for, the highest, 6.1, is not known."),
    ([], "None of the columns asked for counts."),
])
def test_nothing_is_concluded_of_columns_that_nobody_asked_for(states: list[tuple[str, Support]], words: str) -> None:
    told = conclusion(lowest(decisions(*states)), chosen=True)
    assert told.startswith(words) or told.endswith(words)
    assert "later ones" not in told
    assert "earlier" not in told


def test_the_text_says_what_is_relied_on_what_is_seen_and_why_it_matters() -> None:
    made = design()
    told = text(made, decide(made, [column("debian-6.1", "6.1", "not", "so"), column("debian-6.12", "6.12", "so", "so")]), 100)
    assert "debian-6.1   6.1      unsupported  0 of 1" in told
    assert "debian-6.1 [flag=ro]: is is to be 'so'; seen: not" in told
    assert "because it matters" in told


def test_a_narrow_terminal_gets_paragraphs_and_a_hostile_release_no_escapes() -> None:
    made = design()
    told = text(made, decide(made, [column("debian-6.1", "6.1\x1b[2J\n<b>", "so", "so")]), 40)
    assert max(map(len, told.splitlines())) <= 40
    assert "\x1b" not in told
    assert r"\x1b[2J" in told


@pytest.fixture(scope="module")
def behaviours() -> list[catalog.Behaviour]:
    return catalog.behaviours(project.ROOT)


@pytest.fixture(scope="module")
def committed() -> list[Evidence]:
    return [one for one in store.read(project.ROOT / "results") if one.column.startswith("debian-")]


@pytest.mark.parametrize("name", designs.names(project.ROOT))
def test_a_design_of_the_project_relies_on_what_some_kernel_does(name: str, behaviours: list[catalog.Behaviour],
                                                                 committed: list[Evidence]) -> None:
    """Values that no expectation has are refused on reading; here each claim is seen to hold somewhere."""
    made = designs.read(designs.find(project.ROOT, name), behaviours)
    found = decide(made, committed)
    for reliance in made.reliances:
        assert any(all(miss.reliance is not reliance for miss in one.misses) for one in found), reliance.reason


@pytest.mark.parametrize(("name", "column", "expected"), [
    # Recursive read-only takes mount_setattr, of 5.12; the others take nothing that 5.10 lacks.
    ("rootless-containers", "debian-5.10", Support.UNSUPPORTED), ("rootless-containers", "debian-6.1", Support.SUPPORTED),
    ("guix-daemon", "debian-5.10", Support.SUPPORTED), ("guix-daemon", "debian-7.3", Support.SUPPORTED),
    ("bubblewrap-like", "debian-5.10", Support.SUPPORTED), ("bubblewrap-like", "debian-7.3", Support.SUPPORTED),
])
def test_the_designs_are_decided_on_the_committed_evidence(name: str, column: str, expected: Support,
                                                           behaviours: list[catalog.Behaviour],
                                                           committed: list[Evidence]) -> None:
    made = designs.read(designs.find(project.ROOT, name), behaviours)
    assert {one.column: one.support for one in decide(made, committed)}[column] is expected


DESIGN = '''title = "T"
about = "A"
[[claim]]
case = "area.thing"
params = {flag = "ro"}
observation = {"is" = "so"}
reason = "R"
'''


def read(tmp_path: Path, text: str) -> Design:
    path = tmp_path / "made.toml"
    path.write_text(text, encoding="utf-8")
    return designs.read(path, [behaviour(CASE)], [column("a", "6.1", "odd", "so")])


def test_a_design_is_read(tmp_path: Path) -> None:
    made = read(tmp_path, DESIGN)
    assert (made.name, made.title, made.about) == ("made", "T", "A")
    assert [(one.behaviour.name, one.sets, dict(one.observation), one.reason, one.required) for one in made.reliances] == [
        ("area.thing", ({"flag": "ro"},), {"is": ("so",)}, "R", True)]
    assert len(read(tmp_path, DESIGN.replace('params = {flag = "ro"}\n', "")).reliances[0].sets) == 2
    assert read(tmp_path, DESIGN + 'need = "wanted"\n').reliances[0].required is False
    # A value that no expectation has, but that was seen.
    assert read(tmp_path, DESIGN.replace('"so"', '"odd"')).reliances[0].observation == {"is": ("odd",)}


@pytest.mark.parametrize(("old", "new", "words"), [
    ('"area.thing"', '"area.thnig"', ["claim 1", "'area.thnig'", "did you mean area.thing?"]),
    ('flag = "ro"', 'flga = "ro"', ["claim 1 (area.thing)", "'flga'", "did you mean flag?"]),
    ('flag = "ro"', 'flag = "r"', ["flag=r", "did you mean ro?", "nosuid"]),
    ('"is" =', '"iss" =', ["'iss'", "did you mean is?"]),
    ('= "so"}', '= "soo"}', ["'soo'", "did you mean so?", "flag=ro"]),
    ('= "so"}', '= ["so", "never"]}', ["'never'"]),
    ('= "so"}', '= []}', ["claim 1 (area.thing)", "observation in which 'is' may be nothing"]),
    ('flag = "ro"', "flag = []", ["claim 1 (area.thing)", "params in which 'flag' may be nothing"]),
    ("reason =", "raeson =", ["unknown key 'raeson'", "did you mean reason?"]),
    ('reason = "R"\n', "", ["lacks reason"]),
    ('observation = {"is" = "so"}\n', "", ["lacks observation"]),
    ('observation = {"is" = "so"}', "observation = 3", ["observation that is no table"]),
    ('reason = "R"', 'reason = "R"\nneed = "requierd"', ["'requierd'", "did you mean required?"]),
    ('title = "T"\n', "", ["lacks title"]),
    ("[[claim]]", "[claim]", ["at least one claim"]),
    ("[[claim]]", "[[claims]]", ["unknown key 'claims'", "did you mean claim?"]),
    ("[[claim]]", "[[claim", ["made.toml"]),
])
def test_a_mistake_in_a_design_is_named_with_what_comes_nearest(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    with pytest.raises(KsemError) as caught:
        read(tmp_path, DESIGN.replace(old, new))
    message = str(caught.value)
    assert "made.toml" in message
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_a_design_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(KsemError, match=r"gone\.toml: No such file"):
        designs.read(tmp_path / "gone.toml", [])
    (tmp_path / "latin.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(KsemError, match=r"latin\.toml is not UTF-8"):
        designs.read(tmp_path / "latin.toml", [])


def test_a_parameter_set_without_the_leaf_is_named(tmp_path: Path) -> None:
    varied = behaviour(case(lambda flag: {"is": "so"} if flag == "ro" else {"other": "so"}, params=FLAG))
    path = tmp_path / "made.toml"
    path.write_text(DESIGN.replace('params = {flag = "ro"}\n', ""))
    with pytest.raises(KsemError, match=r"with flag=nosuid there is no 'is'"):
        designs.read(path, [varied])


def test_a_design_is_found_by_name_or_path(tmp_path: Path) -> None:
    (tmp_path / "designs").mkdir()
    (tmp_path / "designs" / "one.toml").write_text(DESIGN)
    assert designs.find(tmp_path, "one") == tmp_path / "designs" / "one.toml"
    assert designs.find(tmp_path, "elsewhere/two.toml") == Path("elsewhere/two.toml")
    with pytest.raises(KsemError, match=r"no design 'onee' \(did you mean one\?\): designs/ has one"):
        designs.find(tmp_path, "onee")
