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

from ksem.guest.trace import spelled

# How many different events are remembered; a whole catalogue has some ten thousand.
REMEMBERED = 1 << 16
line = json.JSONEncoder(sort_keys=True, separators=(", ", ": ")).encode


def trace(events: list[Any], pids: Mapping[str, str]) -> tuple[str, ...]:
    """Raw events as ksem.guest.trace spells them, a line each. Raises what it raises for what is no event."""
    lines = [_spelled(marshal.dumps(event, 2)) for event in events]
    if pids:
        # Process ids stand in paths alone.
        lines = [line(*spelled([event], dict(pids))) if "/proc/" in text else text
                 for event, text in zip(events, lines, strict=True)]
    return tuple(lines)


@functools.lru_cache(REMEMBERED)
def _spelled(event: bytes) -> str:
    # Bytes, as lists cannot be remembered by; version 2 has no references, which would make equal values differ.
    return line(*spelled([marshal.loads(event)], {}))
