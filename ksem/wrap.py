"""Paragraphs for a terminal or a mail: set to a width, and safe to print whatever a kernel has put into them.

Contract: pure, the standard library only.
"""

from __future__ import annotations

import textwrap


def fill(text: str, width: int, first: str = "", rest: str = "") -> str:
    """One paragraph. first, rest: what its first line and the others begin with. Names are not broken at their hyphens."""
    return textwrap.fill(printable(text), max(width, len(rest) + 20), initial_indent=first, subsequent_indent=rest,
                         break_on_hyphens=False)


def printable(text: str) -> str:
    """Text without line breaks or control characters: these as Python spells them, so that no terminal obeys them."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode()
                   for character in " ".join(text.split()))


def ascii_only(text: str) -> str:
    """Printable text for a mail, which anybody's program has to take: what ASCII lacks is spelled as Python does."""
    return printable(text).encode("ascii", "backslashreplace").decode()
