"""Text as C has it, and C that fits into a mail: literals, comments, lines.

Contract: the standard library and `model`. Whatever goes in, what comes out is ASCII and stays what it is: no path, release or
observation can end a comment or a literal.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from ksem.model import KsemError

# Mails are wrapped beyond.
WIDTH = 72
_SPELLED = re.compile(r'"((?:[^"\\]|\\[\\"n]|\\[0-7]{3})*)"')
_PART_OF_LITERAL = re.compile(r"\\[0-7]{3}|\\.|[^\\]")
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^"\s])+')
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
# A literal is cut into pieces of that length when its statement is too long for a line.
_PIECE = 48


def unspelled(text: str) -> bytes:
    """The bytes of a string as `ksem.guest.structures.Text` spells it. Raises KsemError."""
    match = _SPELLED.fullmatch(text)
    if match is None:
        raise KsemError(f"the trace holds {text!r:.200}, which is no string of C")
    found = (one.group() for one in _PART_OF_LITERAL.finditer(match.group(1)))
    return b"".join(_byte(one) for one in found)


def _byte(one: str) -> bytes:
    if one == "\\n":
        return b"\n"
    if one[0] == "\\":
        return bytes([int(one[1:], 8) & 0xFF]) if len(one) == 4 else one[1:].encode()
    return encoded(one)


def encoded(text: str) -> bytes:
    """A text as bytes; what was no text in a trace is a lone surrogate. Raises KsemError for one that stands for no byte."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise KsemError(f"the trace holds {text!r:.200}, of which a character is only a half") from None


def literal(data: bytes) -> str:
    """Bytes as a literal of C, letter by letter what `c/quoted.c` makes of them."""
    return f'"{"".join(map(_letter, data))}"'


def _letter(one: int) -> str:
    if one == 0x0A:
        return "\\n"
    if chr(one) in '"\\':
        return "\\" + chr(one)
    # Question marks could begin a trigraph.
    return chr(one) if 0x20 <= one < 0x7F and one != 0x3F else f"\\{one:03o}"


def plain(text: str) -> str:
    """A text on one line that is safe in a comment."""
    visible = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
    ascii_only = visible.encode("ascii", "backslashreplace").decode()
    # Nor may a trigraph be left, of which a compiler would warn.
    return re.sub(r"\*(?=/)|/(?=\*)|\?(?=\?)", r"\g<0> ", ascii_only)


def comment(paragraphs: Iterable[str]) -> str:
    """A comment of paragraphs, an empty line between them; one that is indented is, in all its lines."""
    lines: list[str] = []
    for paragraph in paragraphs:
        body = plain(paragraph).lstrip()
        margin = " * " + " " * (len(paragraph) - len(paragraph.lstrip()))
        lines += [" *"] if lines else []
        lines += textwrap.wrap(body, WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)
    return "\n".join(["/*", *lines, " */"])


def statement(text: str, indent: int = 4) -> str:
    """Code on as many lines as it takes; a literal that is too long becomes several side by side."""
    margin = " " * indent
    if len(margin + text) <= WIDTH:
        return margin + text
    words = _WORD.findall(_LITERAL.sub(lambda match: _pieces(match.group()), text))
    lines = [margin + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= WIDTH:
            lines[-1] += " " + word
        else:
            lines.append(f"{margin}        {word}")
    return "\n".join(lines)


def _pieces(text: str) -> str:
    """A literal as several that stand side by side, cut after the ends of lines where there are any."""
    if len(text) <= _PIECE + 2:
        return text
    pieces = [""]
    for one in _PART_OF_LITERAL.findall(text[1:-1]):
        if len(pieces[-1]) + len(one) > _PIECE or pieces[-1].endswith("\\n"):
            pieces.append("")
        pieces[-1] += one
    return " ".join(f'"{piece}"' for piece in pieces)
