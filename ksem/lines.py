"""Values as lines of JSON, the same text for the same value: what evidence is stored, compared and sent on as.

Contract: the standard library and `ksem.guest.trace`. Most events of a run were seen before, in another column or with another
parameter set: each is spelled once.
"""

from __future__ import annotations

import functools
import json
import marshal
from collections.abc import Mapping
from typing import Any

from ksem.guest.trace import LIMIT, spelled

# How many different events are remembered; a whole catalogue has some ten thousand.
REMEMBERED = 1 << 16
_LISTS = frozenset((list, tuple))
line = json.JSONEncoder(sort_keys=True, separators=(", ", ": ")).encode


def check_event(event: Any) -> None:
    """Raise ValueError for what ksem.guest.trace does not describe: [process, namespaces, call, [argument, ...], result]."""
    try:
        process, where, call, arguments, result = event
        # Hundreds of thousands are checked: to join what is no text fails, and takes no time.
        "".join([process, where, call, result, *arguments])
        is_one = event.__class__ in _LISTS and arguments.__class__ is list
    except (TypeError, ValueError):
        is_one = False
    if not is_one:
        raise ValueError("a trace holds an event that is none")


def trace(events: list[Any], pids: Mapping[str, str]) -> tuple[str, ...]:
    """Raw events as ksem.guest.trace spells them, a line each. Raises what it raises for what is no event, ValueError for more
    than a case may have."""
    if len(events) > LIMIT:
        raise ValueError(f"{len(events)} events")
    lines = [_spelled(marshal.dumps(event, 2)) for event in events]
    if pids:
        # Process ids stand in paths alone.
        lines = [line(*spelled([event], dict(pids))) if "/proc/" in text else text
                 for event, text in zip(events, lines, strict=True)]
    return tuple(lines)


@functools.lru_cache(REMEMBERED)
def _spelled(event: bytes) -> str:
    # Bytes, as lists cannot be remembered by; version 2 has no references, which would make equal values differ.
    found, = spelled([marshal.loads(event)], {})
    check_event(found)
    return line(found)
