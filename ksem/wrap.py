"""Paragraphs for a terminal or a mail: set to a width, and safe to print whatever a kernel has put into them.

Contract: pure, the standard library only.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

# Characters of a message that anybody reads.
_MESSAGE = 3000
_BREAK, _GLUE = "\x00 ", "\x01"


def fill(text: str, width: int, first: str = "", rest: str = "", breaks: str = "", glued: Iterable[str] = ()) -> str:
    """One paragraph. Names are not broken at their hyphens.

    first, rest: what its first line and the others begin with. breaks: characters after which a line may end too. glued: texts
    in which it may not.
    """
    text = printable(text)
    # Marks that no printable text has, to be taken out again.
    for piece in glued:
        text = text.replace(piece, piece.replace(" ", _GLUE))
    for character in breaks:
        text = text.replace(character, character + _BREAK)
    filled = textwrap.fill(text, max(width, len(rest) + 20), initial_indent=first, subsequent_indent=rest,
                           break_on_hyphens=False)
    return filled.replace(_BREAK, "").replace(_BREAK.rstrip(), "").replace(_GLUE, " ")


def escaped(text: str, keep: str = "") -> str:
    """Text from a kernel, for whom it is shown to: what is not printable, and not in `keep`, as Python spells it."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _escape(one) for one in text)


def _escape(one: str) -> str:
    """As Python spells a character; a byte that is none, as os.fsdecode has it, as a byte."""
    return f"\\x{ord(one) - 0xDC00:02x}" if "\udc80" <= one <= "\udcff" else one.encode("unicode_escape").decode()


def shown(text: str) -> str:
    """A message for a terminal, which may have lines; what is of any length is cut."""
    return escaped(text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]}...", keep="\n")


def printable(text: str) -> str:
    """Text without line breaks or control characters, so that no terminal obeys them."""
    return escaped(" ".join(text.split()))


def ascii_only(text: str) -> str:
    """Printable text for a mail, which anybody's program has to take: what ASCII lacks is spelled as Python does."""
    return printable(text).encode("ascii", "backslashreplace").decode()
