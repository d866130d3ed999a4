"""A format shows the matrix and decides nothing; what comes from a kernel cannot break it.

Guards: every format that is in the package renders every matrix, an empty one too; a release with markup in it stays text.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence
from matrices import CASE, MATRICES, MIXED

from ksem import renderers
from ksem.matrix import Matrix, build
from ksem.model import KsemError
from ksem.renderers import markdown, terminal


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
    assert [one for one in text if not one.isprintable() and one != "\n"] == []


def test_the_formats_are_found_by_their_modules() -> None:
    assert set(renderers.names()) >= {"html", "json", "kcidb", "ktap", "markdown", "terminal"}


@pytest.mark.parametrize(("text", "words"), [
    ("def rander(matrix):\n    pass\n", "lacks render"), ("render = 3\n", "lacks render"),
    ("1 / 0\n", "cannot be imported: ZeroDivisionError"),
    ("def render(matrix:\n", "cannot be imported: SyntaxError"), ("import nothing_of_that_name\n", "No module named"),
])
def test_a_format_that_is_none_is_named_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str,
                                                  words: str) -> None:
    (tmp_path / "made.py").write_text(text)
    monkeypatch.setattr(renderers, "__path__", [*renderers.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ksem.renderers.made", raising=False)
    assert "made" in renderers.names()
    with pytest.raises(KsemError, match=words) as caught:
        renderers.renderer("made")
    assert "'made'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("body", "words"), [
    ("pass", "render(matrix) of ksem.renderers.made returned no text, but NoneType"),
    ("return b'x'", "returned no text, but bytes"),
    ("raise ValueError('so\\nor so')", "ksem.renderers.made raised ValueError: so or so ("),
    ("return matrix.nothing_of_that_name", "made.py, line 2)"),
])
def test_a_format_that_gives_no_text_is_named_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str,
                                                        words: str) -> None:
    (tmp_path / "made.py").write_text(f"def render(matrix):\n    {body}\n")
    monkeypatch.setattr(renderers, "__path__", [*renderers.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ksem.renderers.made", raising=False)
    with pytest.raises(KsemError) as caught:
        renderers.renderer("made")(MIXED)
    assert words in str(caught.value)
    assert "the format 'made' " in str(caught.value)
    assert "\n" not in str(caught.value)


LONG = "area.a_behaviour_with_a_long_name"
FLAGS = tuple(f"value-{number}" for number in range(5))


def long_names() -> Matrix:
    """Five columns with long names and remarks, each of which saw more than the one before it."""
    cells = [[cell({"is": f"{count} so"}, {"flag": flag}, name=LONG) for flag in FLAGS[:count]] for count in range(1, 6)]
    return build([behaviour(case(params={"flag": FLAGS}), LONG)], [
        evidence(f"debian-{len(some)}-backports-vagrant-on-6.12", f"6.{len(some)}.100", *some, remark="words " * 30)
        for some in cells])


@pytest.mark.parametrize("width", [40, 60, 110])
@pytest.mark.parametrize("matrix", [*MATRICES.values(), long_names()])
def test_the_terminal_is_not_left(matrix: Matrix, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, terminal.render(matrix).splitlines())) <= width


def test_a_narrow_terminal_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    told = " ".join(terminal.render(MIXED).split())
    for words in ("area.thing: It is so.", "DIFFERS [1]: is: old", "[1] expected is: new (abc123)", "unsupported [2]",
                  "[2] no such call", "a remark"):
        assert words in told


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
