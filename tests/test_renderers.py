"""A format shows the matrix and decides nothing; what comes from a kernel cannot break it.

Guards: every format that is in the package renders every matrix, an empty one too; JSON keeps the fields that others rely
on; a release with markup in it stays text.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence

from ksem import renderers
from ksem.guest.case import Rule
from ksem.matrix import Matrix, build
from ksem.renderers import markdown, terminal

CASE = case((Rule({"is": "new"}, since="6.12", cites="abc123"), Rule({"is": "old"}, cites="mount(2)")),
            params={"flag": ("ro", "nosuid")}, documented="It is always so.")
HOSTILE = "<b>|`x`|</b>_*[a](b)*_\\"


def cells(*seen: str) -> Matrix:
    """The case on a 6.1 and a 6.12, with what was seen for each flag."""
    pairs = zip(("6.1", "6.1", "6.12", "6.12"), ("ro", "nosuid") * 2, seen, strict=True)
    found = [(release, cell({"is": one}, {"flag": flag}) if one else
              cell(None, {"flag": flag}, status="unsupported", reason="no such call")) for release, flag, one in pairs]
    return build([behaviour(CASE)], [
        evidence(f"debian-{release}", release, *(one for of, one in found if of == release), remark="a remark")
        for release in ("6.1", "6.12")])


AGREEING = cells("old", "old", "new", "new")
MIXED = cells("old", "", "old", "new")
MATRICES = {
    "nothing": build([], []),
    "no column": build([behaviour(CASE)], []),
    "no case": build([], [evidence("one", "6.12")]),
    "nothing run": build([behaviour(CASE)], [evidence("one", "6.12")]),
    "no parameter sets": build([behaviour(case(params={"a": (1,)}, where=lambda a: False))], [evidence("one", "6.12")]),
    "agreeing": AGREEING,
    "mixed": MIXED,
    "hostile": build([behaviour(case({"is": "so"}))], [
        evidence(HOSTILE, "6.12", cell({"is": HOSTILE}), remark=HOSTILE),
        evidence("lost", "6.13", cell(status="lost", reason=f"oops\n{HOSTILE}\n\x1b[2J"))]),
    "beyond ASCII": build([behaviour(case({"is": "ü"}))], [evidence("ä\udcff", "6.12", cell({"is": "\u2028\U0001F600"}))]),
}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of one width, wherever the tests are run."""
    monkeypatch.setenv("COLUMNS", "110")


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
@pytest.mark.parametrize("form", renderers.names())
def test_every_format_renders_every_matrix_and_the_same_twice(form: str, matrix: Matrix) -> None:
    text = renderers.renderer(form)(matrix)
    assert text.endswith("\n")
    assert renderers.renderer(form)(matrix) == text


def test_the_formats_are_found_by_their_modules() -> None:
    assert {"json", "markdown", "terminal"} <= set(renderers.names())


def test_json_is_an_object_a_cell() -> None:
    found = json.loads(renderers.renderer("json")(MIXED))
    assert [(one["column"], one["release"], one["params"], one["verdict"], one["observed"]) for one in found] == [
        ("debian-6.1", "6.1", {"flag": "ro"}, "conforms", {"is": "old"}),
        ("debian-6.12", "6.12", {"flag": "ro"}, "differs", {"is": "old"}),
        ("debian-6.1", "6.1", {"flag": "nosuid"}, "unsupported", None),
        ("debian-6.12", "6.12", {"flag": "nosuid"}, "conforms", {"is": "new"})]
    assert {one["case"] for one in found} == {"area.thing"}
    assert {one["reason"] for one in found if one["verdict"] == "unsupported"} == {"no such call"}


def test_json_of_nothing_is_an_empty_list() -> None:
    assert json.loads(renderers.renderer("json")(MATRICES["nothing"])) == []


def test_json_is_a_cell_a_line() -> None:
    lines = renderers.renderer("json")(MIXED).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("[", "]", 6)


def test_the_terminal_says_what_differs_and_why() -> None:
    text = terminal.render(MIXED)
    for words in ("area.thing: It is so.", "DIFFERS [1]: is: old", "[1] expected is: new (abc123)", "unsupported [2]",
                  "[2] no such call",
                  "The manual says otherwise: It is always so.", "a remark"):
        assert words in text
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 110


def test_the_terminal_says_agreement_in_a_line() -> None:
    matrix = build([behaviour(case())], [evidence("a", "6.1", cell({"is": "so"})), evidence("b", "6.2", cell({"is": "so"}))])
    assert "area.thing: It is so.\n  ok: all columns\n" in terminal.render(matrix)


def test_why_a_column_could_not_be_had_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    column = evidence("debian-6.1", "6.1")
    problem = type(column)(column.column, column.release, {}, (), problem="no network")
    assert "no network" in terminal.render(build([], [problem]))


def test_markdown_has_columns_then_cases_by_area() -> None:
    text = markdown.render(MIXED)
    for words in ("# Compatibility matrix", "## area", "### area.thing", "| debian-6.1 ", "DIFFERS", "Sources: intro(2)",
                  "a remark"):
        assert words in text
    assert text.index("| debian-6.1 ") < text.index("## area")


def test_markdown_shows_what_comes_from_a_kernel_as_text() -> None:
    text = markdown.render(MATRICES["hostile"])
    assert "<b>" not in text.replace("\\<b\\>", "")
    rows = [line for line in text.splitlines() if "oops" in line or "6.13" in line]
    assert rows
    table = [line for line in text.splitlines() if line.startswith("|") and "6.1" in line and "qemu" in line]
    assert len({line.replace("\\\\", "").replace("\\|", "").count("|") for line in table}) == 1


@given(st.text(alphabet="ab\\`*_[]<>|\n", max_size=20))
def test_escaping_is_undone_by_dropping_the_backslashes(text: str) -> None:
    escaped = markdown.escape(text)
    assert "\n" not in escaped
    plain, characters = "", iter(escaped)
    for character in characters:
        plain += next(characters) if character == "\\" else character
    assert plain == text.replace("\n", " ")


def test_the_same_release_in_another_environment_is_spelled_out() -> None:
    matrix = build([behaviour(CASE)], [
        evidence("plain", "6.1", cell({"is": "old"}, {"flag": "ro"}), cell({"is": "old"}, {"flag": "nosuid"})),
        evidence("machine", "6.1", cell({"is": "new"}, {"flag": "ro"}), cell({"is": "old"}, {"flag": "nosuid"}),
                 environment={"backend": "other"})])
    for text in (terminal.render(matrix), markdown.render(matrix).replace("\\", "")):
        assert "machine and plain" in text
        assert "1 cells agree, 1 differ" in text
        assert "area.thing[ro]: is: new / old" in text
        assert "environment: backend: other / qemu" in text
