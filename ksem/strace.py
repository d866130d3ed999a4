"""A trace as text for people: strace-like lines, cut to a number of calls with a count of what was left out.

Contract: pure; `wrap` and the signatures of ksem.guest.syscalls. Events are those of ksem.guest.trace: process, namespaces,
call, arguments, result. What is no system call (a reader, as mountinfo) is marked with an arrow instead of an equals sign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ksem.guest.syscalls import SIGNATURES
from ksem.wrap import ascii_only, fill

Event = Sequence[Any]
_ERRNO = re.compile(r"E[A-Z0-9]+")
# Calls that prepare: where they succeed, they are the first to go.
_PREPARING = ("close", "umask", "prctl", "mkdir", "write_file")
# Characters of a result that are shown: what a reader of whole files gives would fill a page.
_RESULT = 200


def spelled(event: Event) -> str:
    """One call with its result."""
    _, _, call, arguments, result = event
    text = f"{call}({', '.join(map(str, arguments))})"
    result = str(result)
    if len(result) > _RESULT:
        result = f"{result[:_RESULT]}... ({len(result) - _RESULT} more characters)"
    if call not in SIGNATURES:
        return f"{text} -> {result}"
    return f"{text} = -1 {result}" if failed(event) else f"{text} = {result}"


def failed(event: Event) -> bool:
    """Whether a call failed: its result is the name of an errno."""
    return bool(_ERRNO.fullmatch(str(event[4])))


def deciding(events: Sequence[Event], others: Sequence[Event]) -> int:
    """The first call that another kernel answered otherwise, or that it did not make; the last one when there is none."""
    pairs = zip(events, others, strict=False)
    number = next((number for number, (one, other) in enumerate(pairs) if list(one) != list(other)), len(others))
    return min(number, len(events) - 1)


def cut(events: Sequence[Event], focus: int, room: int) -> tuple[list[Event], str]:
    """At most so many calls, with the one at `focus` among them, and what was left out in a few words.

    What prepares goes first, then what is farthest before the call in focus.
    """
    if len(events) <= room:
        return list(events), ""
    kept = [number for number, event in enumerate(events)
            if number == focus or failed(event) or not _prepares(event)]
    prepared = len(events) - len(kept)
    start = max(0, min(kept.index(focus) - room * 2 // 3, len(kept) - room))
    window = kept[start:start + room]
    counts = [(prepared, "that prepare"), (start, "before these"), (len(kept) - start - len(window), "after these")]
    return [events[number] for number in window], ", ".join(f"{count} {what}" for count, what in counts if count)


def _prepares(event: Event) -> bool:
    return event[2] in _PREPARING or (event[2] == "open" and "O_CREAT" in str(event[3]))


def lines(events: Sequence[Event], width: int) -> list[str]:
    """The calls, ASCII, wrapped to a width; a heading wherever another process or other namespaces come."""
    told, place = [], ("", "")
    for event in events:
        if (event[0], event[1]) != place:
            place = event[0], event[1]
            told.append(fill(ascii_only(f"{event[0]}, in {event[1]}:"), width, "  ", "    "))
        told.append(fill(ascii_only(spelled(event)), width, "    ", "        ", "|", (") = -1 E", ") = ", ") -> ")))
    return told
