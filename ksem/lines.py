"""Values as lines of JSON, the same text for the same value: what evidence is stored, compared and sent on as.

Contract: the standard library and `ksem.guest.trace`. Most events of a run were seen before, in another column or with another
parameter set: each is spelled once.
"""

from __future__ import annotations

import functools
import json
import marshal
import math
from collections.abc import Mapping
from typing import Any

from ksem.guest.trace import LIMIT, spelled

# How many different events are remembered; a whole catalogue has some ten thousand.
REMEMBERED = 1 << 16
# How deep a value may be nested: who walks through one needs a frame of Python's stack for each step, and has a thousand.
DEPTH = 40
_CONTAINERS, _LISTS = frozenset((dict, list)), frozenset((list, tuple))
line = json.JSONEncoder(sort_keys=True, separators=(", ", ": ")).encode


def loads(text: str) -> Any:
    """A value of JSON that others can read too. Raises ValueError, also for NaN and what else Python takes and JSON has not."""
    try:
        return json.loads(text, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refused(text[:20])


def check_depth(value: Any, depth: int = DEPTH) -> None:
    """Raise ValueError for a value that is nested too deep."""
    if depth == 0:
        raise ValueError("it is nested too deep")
    for inner in value.values() if isinstance(value, dict) else value:
        if inner.__class__ in _CONTAINERS:
            check_depth(inner, depth - 1)


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
