"""A history is as exact as its evidence: cited where a rule explains what columns show, between two releases where none does.

Guards: a backport must not look like a change of mainline, nor a gap in the evidence like an answer. What the committed
evidence says of changes that are known by their commits is checked against those.
"""

from __future__ import annotations

from collections.abc import Sequence

import project
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence

from ksem import catalog, history, matrix, store
from ksem.guest.case import Case, Rule
from ksem.history import Change, History, Span
from ksem.model import Evidence

PLAIN = case()


def of(rules: Case, *columns: Evidence) -> History:
    """The history of the one value `is`."""
    made = matrix.build([behaviour(rules)], columns)
    found, = history.histories(made)
    return found


def shows(release: str, value: str, column: str = "") -> Evidence:
    return evidence(column or f"debian-{release}", release, cell({"is": value}))


def test_without_a_rule_a_change_lies_between_two_releases() -> None:
    found = of(PLAIN, shows("6.1.9", "old"), shows("5.10.2", "old"), shows("6.12.3", "new"))
    change = Change(after="6.1.9", by="6.12.3")
    assert found.spans == (Span("old", None, change, ("debian-5.10.2", "debian-6.1.9")),
                           Span("new", change, None, ("debian-6.12.3",)))


CITED = case((Rule({"is": "new"}, since="6.6", backports=("6.1.50",), cites="abc"), Rule({"is": "old"})))


def test_a_rule_that_cites_both_values_makes_it_exact() -> None:
    found = of(CITED, shows("6.1.9", "old"), shows("6.12.3", "new"))
    change = Change("6.6", "6.1.9", "6.12.3", "abc", ("6.1.50",))
    assert [(span.value, span.since, span.until) for span in found.spans] == [("old", None, change), ("new", change, None)]


def test_a_rule_that_columns_contradict_makes_nothing_exact() -> None:
    found = of(CITED, shows("6.1.9", "odd"), shows("6.12.3", "new"))
    assert found.spans[1].since == Change(after="6.1.9", by="6.12.3")


def test_a_backport_is_beside_the_range_and_not_in_it() -> None:
    found = of(CITED, shows("5.10.7", "old"), shows("6.1.192", "new"), shows("6.2.4", "old"), shows("6.12.3", "new"))
    assert [(span.value, span.columns, span.backported) for span in found.spans] == [
        ("old", ("debian-5.10.7", "debian-6.2.4"), ()), ("new", ("debian-6.12.3",), ("debian-6.1.192",))]
    assert found.spans[1].since == Change("6.6", "6.2.4", "6.12.3", "abc", ("6.1.50",))


def test_a_backport_alone_has_a_span_of_its_own() -> None:
    found = of(CITED, shows("5.10.7", "old"), shows("6.1.192", "new"))
    assert [(span.value, span.columns, span.backported) for span in found.spans] == [
        ("old", ("debian-5.10.7",), ()), ("new", (), ("debian-6.1.192",))]


def test_what_the_oldest_column_has_is_cited_as_far_back_as_rules_go() -> None:
    assert of(CITED, shows("6.12.3", "new")).spans[0].since == Change("6.6", "", "6.12.3", "abc", ("6.1.50",))
    assert of(CITED, shows("6.1.9", "old")).spans[0].since is None


def test_values_between_two_columns_that_only_rules_know_are_told_as_such() -> None:
    rules = case((Rule({"is": "3"}, since="6.10"), Rule({"is": "2"}, since="6.6"), Rule({"is": "1"})))
    found = of(rules, shows("6.1.9", "1"), shows("6.12.3", "3"))
    assert [(span.value, span.columns) for span in found.spans] == [
        ("1", ("debian-6.1.9",)), ("2", ()), ("3", ("debian-6.12.3",))]
    assert [span.since and span.since.release for span in found.spans] == [None, "6.6", "6.10"]


def test_a_regression_and_its_repair_are_two_changes() -> None:
    rules = case((Rule({"is": "right"}, since="7.3", backports=("7.2.11",)), Rule({"is": "wrong"}, since="6.17"),
                  Rule({"is": "right"})))
    found = of(rules, shows("6.16.1", "right"), shows("6.17.1", "wrong"), shows("7.2.13", "right"), shows("7.3.4", "right"))
    assert [(span.value, span.since and span.since.release, span.backported) for span in found.spans] == [
        ("right", None, ()), ("wrong", "6.17", ()), ("right", "7.3", ("debian-7.2.13",))]


def test_a_rule_for_one_stable_series_is_a_backport_of_the_change_of_mainline() -> None:
    """Its release only keeps it from mainline, where a rule before it holds."""
    rules = case((Rule({"is": "new"}, since="6.2"), Rule({"is": "old"}, since="6.1"),
                  Rule({"is": "new"}, since="6.1", backports=("5.10.176",)), Rule({"is": "old"})))
    found = of(rules, shows("5.10.262", "new"), shows("6.1.9", "old"), shows("6.12.3", "new"))
    assert [(span.value, span.since and span.since.release, span.backported) for span in found.spans] == [
        ("old", None, ()), ("new", "6.2", ("debian-5.10.262",))]
    assert found.spans[1].since
    assert found.spans[1].since.backports == ("5.10.176",)


def test_what_is_not_known_is_a_gap_with_its_reason() -> None:
    missing = evidence("debian-6.6", "6.6.1", cell(status="unsupported", reason="no filesystem xfs: there is no such module"))
    found = of(PLAIN, shows("6.1.9", "old"), missing, evidence("debian-6.9", "6.9"), shows("6.12.3", "new"))
    assert found.spans[1].since == Change(after="6.1.9", by="6.12.3")
    assert found.unknown == (("debian-6.6", "could not be run: no filesystem xfs: there is no such module"),
                             ("debian-6.9", "not run"))


def test_a_kernel_that_lacks_the_call_is_no_gap() -> None:
    lacking = evidence("debian-5.10", "5.10.2", cell(status="unsupported", reason="no system call mount_setattr"))
    found = of(PLAIN, lacking, shows("6.1.9", "so"))
    assert [span.value for span in found.spans] == ["unsupported: no system call mount_setattr", "so"]


def test_one_release_in_two_environments_is_no_change() -> None:
    found = of(PLAIN, shows("6.1.9", "a", "bare"), shows("6.1.9", "b", "machine"), shows("6.12.3", "a"))
    assert [span.columns for span in found.spans] == [("debian-6.12.3",)]
    assert found.split == (("6.1.9", (("bare", "a"), ("machine", "b"))),)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
def test_spans_follow_the_columns_whatever_they_show(values: list[str]) -> None:
    releases = [f"6.{number}" for number in range(len(values))]
    found = of(PLAIN, *(shows(release, value) for release, value in zip(releases, values, strict=True)))
    assert [(span.value, column) for span in found.spans for column in span.columns] == [
        (value, f"debian-{release}") for release, value in zip(releases, values, strict=True)]
    for one, other in zip(found.spans, found.spans[1:], strict=False):
        assert one.value != other.value
        assert one.until == other.since
        assert other.since is not None
        assert (f"debian-{other.since.after}", f"debian-{other.since.by}") == (one.columns[-1], other.columns[0])


def told(rules: Case, *columns: Evidence, every: bool = False) -> str:
    made = matrix.build([behaviour(rules)], columns)
    return history.text(made, made.sections[0], 200, every)


def test_the_text_says_since_when_and_where_it_was_taken_back_to() -> None:
    text = told(CITED, shows("5.10.7", "old"), shows("6.1.192", "new"), shows("6.12.3", "new"))
    assert "  since 6.6 (abc), seen between 5.10.7 and 6.12.3; backported to 6.1.50 (seen on debian-6.1.192)\n" in text
    assert "    is: old -> new" in text


def test_the_text_puts_what_no_column_shows_in_parentheses() -> None:
    rules = case((Rule({"is": "3"}, since="6.10"), Rule({"is": "2"}, since="6.6"), Rule({"is": "1"})))
    assert "is: 1 -> (2) -> 3" in told(rules, shows("6.1.9", "1"), shows("6.12.3", "3"))


def test_the_text_says_of_an_empty_value_that_it_is_nothing() -> None:
    assert "is: (nothing) -> 3" in told(PLAIN, shows("6.1.9", ""), shows("6.12.3", "3"))
    assert "a (nothing), b 3" in told(PLAIN, shows("6.1.9", "", "a"), shows("6.1.9", "3", "b"))


def test_values_that_never_changed_are_listed_on_demand() -> None:
    columns = (shows("6.1.9", "so"), shows("6.12.3", "so"))
    assert told(PLAIN, *columns).splitlines()[1:] == ["  never changed: 1 value"]
    assert told(PLAIN, *columns, every=True).splitlines()[1:] == ["  never changed: 1 value", "    is: so"]


@pytest.fixture(scope="module")
def committed() -> matrix.Matrix:
    """The project's own evidence."""
    return matrix.build(catalog.behaviours(project.ROOT), [
        one for one in store.read(project.ROOT / "results") if one.column.startswith("debian-")])


def spans(committed: matrix.Matrix, name: str, path: str, **params: str) -> Sequence[Span]:
    section = next(one for one in committed.sections if one.behaviour.name == name)
    row = next(one for one in section.rows if params.items() <= one.params.items())
    return next(one.spans for one in history.histories_of(section, row) if one.path == path)


@pytest.mark.parametrize(("name", "path", "params", "expected"), [
    # 09da082b07bb, 6.6
    ("availability.fchmodat2", "path.result", {}, [("ENOSYS", None), ("ok", "6.6")]),
    # 4acf3bc76e52, 6.14
    ("readonly_root.answers", "truncate", {"root": "somebody else's", "read_only": "mount"},
     [("EROFS", None), ("EACCES", "6.14")]),
    # broken in 6.17, repaired by 1ab8904ae61b in 7.3 and 7.2.11
    ("mount_locking.propagation", "bind inside", {"kind": "unbindable"}, [("EINVAL", None), ("ok", "6.17"), ("EINVAL", "7.3")]),
    # ed5a7047d201, 6.2; in 5.10.176 and 6.1.15, so that no column is without it
    ("chown_setid.written", "write.02767", {"caller": "stranger", "fs": "ext4"}, [("ok: 00767", "6.2")]),
])
def test_the_committed_evidence_has_the_history_that_commits_tell(committed: matrix.Matrix, name: str, path: str,
                                                                  params: dict[str, str],
                                                                  expected: list[tuple[str, str | None]]) -> None:
    assert [(span.value, span.since and span.since.release) for span in spans(committed, name, path, **params)] == expected


def test_the_committed_evidence_shows_backports_as_such(committed: matrix.Matrix) -> None:
    last = spans(committed, "mount_locking.propagation", "inside", kind="unbindable")[-1]
    assert last.since is not None
    assert last.since.backports == ("7.2.11",)
    assert last.backported == ("debian-7.2",)
