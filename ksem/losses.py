"""What a lost machine died of, in words: the kernel, a hang, or what runs it.

Contract: pure; the standard library and `model`.
"""

from __future__ import annotations

import re

from ksem.model import Lost

# How many functions of a stack tell one death from another.
TOP = 3
# What a firmware clears its screen with (ECMA-48, control sequences).
_ESCAPES = re.compile(r"\x1b(c|\[[0-?]*[ -/]*[@-~])")
_DEATHS = {"Kernel panic": "the kernel panicked", "BUG:": "the kernel oopsed", "Oops": "the kernel oopsed",
           "general protection": "the kernel oopsed", "Out of memory": "the kernel ran out of memory"}
# A line of a stack that is certain (others have a question mark), without the suffixes of the compiler's.
_FRAME = re.compile(r"^(?:\[[^]]*\])?\s*(?:RIP: \w+:)?([A-Za-z_]\w*)(?:\.\w+)*\+0x[0-9a-f]+/0x[0-9a-f]+")
# Functions that every death has on top.
_COMMON = re.compile(r"_*(dump_stack\w*|show_stack\w*|panic|die|oops_end|vpanic|page_fault_oops|exc_\w+|asm_exc_\w+)$")


def described(loss: Lost) -> str:
    """What it died of, what was noticed, and the last lines of the console, whose control characters no terminal is to obey."""
    console = _plain(loss.console).strip()
    cause = _death(console) or loss.fate
    reason = _plain(f"{cause}: {loss.reason}" if cause else loss.reason)
    return f"{reason}; the console ended with:\n{console}" if console else reason


def oopsed(console: str) -> bool:
    """Whether a kernel that is still there should have died: what it shows from then on counts for nothing."""
    return any(words.endswith("oopsed") and sign in console for sign, words in _DEATHS.items())


def _plain(text: str) -> str:
    return "".join(character for character in _ESCAPES.sub("", text) if character.isprintable() or character == "\n")


def _death(console: str) -> str:
    """What the kernel itself says that befell it, with the functions on top of its stack; nothing if it says nothing."""
    words = next((words for sign, words in _DEATHS.items() if sign in console), "")
    frames = [match.group(1) for match in map(_FRAME.match, console.splitlines()) if match]
    top = [name for name in frames if not _COMMON.match(name)][:TOP]
    return f"{words} in {' < '.join(top)}" if words and top else words
