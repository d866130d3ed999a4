"""Text becomes C without becoming code: whatever a path, a claim or a release holds stays within its literal or comment.

Guards: results are data that come from kernels, and a program made from them is compiled and run as root by others.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksem.guest.structures import Text
from ksem.model import KsemError
from ksem.repro.literals import WIDTH, comment, literal, statement, unspelled

# A trace holds bytes that are no text as lone surrogates; what is printable is spelled as it is.
SPELLED = st.text(st.characters(max_codepoint=0x7E) | st.sampled_from(["\udcff", "\udc80", "é", "字", "\x7f"]))
LONG = ['"' + "\\n" * 50 + '",', '"' + "x" * 200 + '",']
WORDS = st.lists(st.sampled_from(["CALL(main,", 'mkdir("a b",', "0755),", "|", *LONG]), min_size=1, max_size=40)


@given(SPELLED)
def test_what_a_trace_spells_comes_back(text: str) -> None:
    assert unspelled(Text().show(text)) == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("wrong", ["", '"', "text", '"a" "b"', '"a\\x41"', '"a\nb"; f("', '"\\"', 'NULL', '"\\78"'])
def test_what_is_no_literal_is_refused(wrong: str) -> None:
    with pytest.raises(KsemError, match="no string"):
        unspelled(wrong)


@given(st.binary())
def test_a_literal_holds_nothing_but_its_bytes(data: bytes) -> None:
    text = literal(data)
    assert re.fullmatch(r'"([ !#->@-\[\]-~]|\\[\\"n]|\\[0-7]{3})*"', text)
    assert unspelled(text) == data


@given(st.lists(st.text() | st.sampled_from(["*/", "/*", "**//", "???/", "\\", "a\u2028b", "\x1b[0m", "  " + "x" * 300])))
def test_a_comment_ends_where_it_is_to(paragraphs: list[str]) -> None:
    text = comment(paragraphs)
    assert text.startswith("/*\n")
    assert text.endswith("\n */")
    assert "*/" not in text[:-2]
    assert "/*" not in text[1:]
    assert "??" not in text
    assert all(" " <= one <= "~" or one == "\n" for one in text)
    assert max(map(len, text.splitlines())) <= WIDTH


@given(WORDS)
def test_a_statement_on_several_lines_is_the_same(words: list[str]) -> None:
    whole = " ".join(words)
    text = statement(whole)
    assert re.sub(r'" "', "", " ".join(text.split())) == re.sub(r'" "', "", " ".join(whole.split()))
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_statement_that_fits_stays_on_its_line() -> None:
    assert statement('CALL(main, chdir("/tmp"), 0);') == '    CALL(main, chdir("/tmp"), 0);'
