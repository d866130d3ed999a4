"""The page's data: what is shown at once and what a cell opens, before any browser sees it.

Guards: behaviours are told apart and never mixed up with verdicts; what was not observed has none; the file stays small where
cells agree; the page is whole in itself.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence
from matrices import HOSTILE, MATRICES, MIXED, large, own

from ksem.guest.case import Rule
from ksem.matrix import Matrix, build
from ksem.renderers import html
from ksem.renderers.html import content

FLAGS = {"flag": ("ro", "nosuid", "nodev")}
CHANGED = case((Rule({"is": "new", "same": "x"}, since="6.12"), Rule({"is": "old", "same": "x"})), params=FLAGS)


def page(matrix: Matrix) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two parts of a page's data, as its script reads them."""
    text = html.render(matrix)
    found = re.findall(r'<script type="application/json" id="(\w+)">(.*?)</script>', text)
    assert [name for name, _ in found] == ["overview", "evidence"]
    return json.loads(found[0][1]), json.loads(found[1][1])


def unpacked(text: str) -> Any:
    """As a browser undoes it."""
    return json.loads(zlib.decompress(base64.b64decode(text), -zlib.MAX_WBITS))


def columns(*releases: str, flags: int = 3) -> list[Any]:
    """Columns that are as expected, with the first few flags."""
    return [evidence(f"debian-{release}", release, *(
        cell({"is": "new" if release >= "6.12" else "old", "same": "x"}, {"flag": flag}) for flag in FLAGS["flag"][:flags]))
        for release in releases]


def shown(matrix: Matrix) -> list[list[list[Any]]]:
    """The cells of a page's first section: the summary's, then each row's."""
    section = page(matrix)[0]["sections"][0]
    return [[section["cells"][number] for number in numbers]
            for numbers in (section["summary"], *(row[-1] for row in section["rows"]))]


def test_a_row_says_which_kernels_behave_alike() -> None:
    _, row, *_ = shown(build([behaviour(CHANGED)], columns("6.1", "6.12", "6.16")))
    assert row == [["conforms", 1, "old"], ["conforms", 0, "new"], ["conforms", 0, "new"]]


def test_agreement_needs_no_words() -> None:
    assert shown(build([behaviour(CHANGED)], columns("6.12", "6.16"))) == [[["conforms", 0, ""]] * 2] * 4


def test_a_case_counts_its_rows_that_behave_otherwise() -> None:
    assert shown(build([behaviour(CHANGED)], columns("6.1", "6.12")))[0] == [["conforms", 1, "\u22603"], ["conforms", 0, ""]]


def test_a_column_that_saw_less_is_like_the_newest_that_it_agrees_with() -> None:
    matrix = build([behaviour(CHANGED)], [*columns("6.16"), *columns("6.1"), *columns("6.11", "6.17", flags=1)])
    assert shown(matrix)[0] == [["conforms", 1, "\u22603"], ["conforms", 1, "\u22601"], ["conforms", 0, ""],
                                ["conforms", 0, "1/3"]]


@pytest.mark.parametrize(("statuses", "expected"), [
    (("observed", "lost", "broken"), ["lost", 0, "1/3"]), (("observed", "broken", "unsupported"), ["broken", 0, "1/3"]),
    (("unsupported",) * 3, ["unsupported", None, ""]), (("observed", "unsupported", "unsupported"), ["conforms", 0, "1/3"]),
    ((), ["unknown", None, ""])])
def test_a_case_shows_the_gravest_of_its_rows(statuses: tuple[str, ...], expected: list[Any]) -> None:
    seen = {"is": "new", "same": "x"}
    cells = [cell(seen if status == "observed" else None, {"flag": flag}, status=status)
             for flag, status in zip(FLAGS["flag"], statuses, strict=False)]
    assert shown(build([behaviour(CHANGED)], [evidence("one", "6.12", *cells)]))[0] == [expected]


def test_what_is_not_as_expected_shows_the_value_that_is_wrong() -> None:
    _, row, _ = shown(MIXED)
    assert row == [["conforms", 0, ""], ["differs", 0, "old"]]


def test_a_brief_is_the_value_that_tells_most_apart() -> None:
    one = case({"all": "differ", "some": "x"})
    seen = [{"all": "first", "some": "x"}, {"all": "second", "some": "y"}, {"all": "third", "some": "y"}]
    matrix = build([behaviour(one)], [evidence(f"debian-6.{number}", f"6.{number}", cell(what))
                                      for number, what in enumerate(seen)])
    # A single row is its case's line; each differs from the expectation in `all`.
    assert [brief for _, _, brief in shown(matrix)[1]] == ["first", "second", "third"]


def test_columns_of_one_backend_stand_together() -> None:
    machine = dataclasses.replace(columns("6.1")[0], column="machine", environment={"backend": "vagrant"})
    overview, _ = page(build([behaviour(CHANGED)], [*columns("6.1", "6.12"), machine]))
    assert [(one["name"], one["series"], one["backend"]) for one in overview["columns"]] == [
        ("debian-6.1", "6.1", "qemu"), ("debian-6.12", "6.12", "qemu"), ("machine", "6.1", "vagrant")]


def test_evidence_is_all_that_is_known_of_a_cell() -> None:
    trace = (["main", "mnt:1", "mount", ['"a"', "NULL"], "EPERM"],)
    matrix = build([behaviour(case({"is": "so"}))], [
        evidence("one", "6.1", cell({"is": "not"}, trace=trace), environment={"backend": "qemu", "sysctl": {"a": "1"}}),
        evidence("two", "6.2", cell(status="lost", reason="gone"))])
    packed = page(matrix)[1]
    assert unpacked(packed["environments"]) == [{"backend": "qemu", "sysctl.a": "1"}, {"backend": "qemu"}]
    found = unpacked(packed["cases"][0])
    first, second = (found["entries"][number] for number in found["rows"][0]["entries"])
    assert [found["texts"][number] for number in first[:4]] == [{"is": "not"}, {"is": "so"}, "", ""]
    assert [found["events"][number] for number in found["traces"][first[4]]] == [list(trace[0])]
    assert [found["texts"][number] for number in second[:4]] == [None, {"is": "so"}, "", "gone"]
    assert (found["prose"], found["cites"]) == ("Prose.", ["intro(2)"])
    assert found["rows"][0]["groups"] == [["two", 1], ["one", 0]]


def test_designs_are_handed_on() -> None:
    matrix = dataclasses.replace(MIXED, designs={"a daemon": ("area.thing",)})
    assert page(matrix)[0]["designs"] == {"a daemon": ["area.thing"]}


def test_what_agrees_is_there_once() -> None:
    one, many = (len(html.render(large(columns=columns, rows=500))) for columns in (2, 40))
    assert many - one < 500 * 38 * 6


def test_the_projects_own_page_stays_small() -> None:
    assert len(html.render(own())) < 1_500_000


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
def test_a_page_is_whole_in_itself(matrix: Matrix) -> None:
    text = html.render(matrix)
    markup = re.sub(r"<script.*?</script>|<style>.*?</style>", "", text, flags=re.DOTALL)
    assert not re.search(r"\b(src|srcset|action|poster)=", markup)
    assert re.findall(r'href="([^":]*:)', markup) == ["data:"]
    assert "url(" not in text.split("<style>")[1].split("</style>")[0]
    assert text.count("</script>") == 3
    assert text.isascii()


def test_no_markup_comes_from_a_kernel() -> None:
    text = html.render(MATRICES["hostile"])
    assert HOSTILE not in text
    assert json.dumps(HOSTILE)[1:-1] not in text
    assert page(MATRICES["hostile"])[0]["columns"][0]["name"] == HOSTILE


@given(st.text(max_size=20))
def test_any_text_comes_back_as_it_may_be_shown(text: str) -> None:
    overview, _ = page(build([behaviour(case({"is": "so"}))], [evidence("one", "6.12", cell({"is": text}), remark=text)]))
    remark = overview["columns"][0]["remark"]
    assert remark.replace("\n", "").isprintable()
    assert text != "".join(filter(str.isprintable, text)) or remark == text


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_what_is_packed_can_be_unpacked(value: Any) -> None:
    assert unpacked(content.pack(value)) == value


def test_what_is_told_apart_by_its_shape_alone_is_shown_whole() -> None:
    """A file of evidence is anybody's: a value may lie where another's path leads."""
    one = behaviour(case({"mode": {"is": "ro"}}))
    [section] = content.overview(build([one], [evidence("debian-6.1", "6.1.7", cell({"mode.is": "ro"}))]))["sections"]
    assert ["differs", 0, '{"mode.is": "ro"}'] in section["cells"]
