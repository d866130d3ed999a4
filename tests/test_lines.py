"""Lines of JSON: the same text for the same value, and events spelled as they would be if none was remembered.

Guards: traces are compared between kernels byte by byte; an event that only looks like one seen before must not get its text.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ksem import lines
from ksem.guest.trace import spelled


def event(call: str, given: list[Any], value: Any = 0, error: str | None = None) -> list[Any]:
    """A raw event of the first process."""
    return ["main", "mnt:0", call, given, value, error]


def test_a_line_does_not_depend_on_the_order_of_keys() -> None:
    assert lines.line({"b": 1, "a": "\udcff\n"}) == lines.line({"a": "\udcff\n", "b": 1}) == '{"a": "\\udcff\\n", "b": 1}'


@pytest.mark.parametrize("raw", [
    event("mkdir", ["a", 0o755]), event("mkdir", ["a", 0o755], None, "EEXIST"), event("getuid", []),
    event("write_file", ["/proc/12/uid_map", "0 1 1"]), event("write_file", ["/proc/13/uid_map", "0 1 1"]),
    event("readlink", ["a"], "\udcff"), event("listed", [{"b": [True, None], "a": 1}], {"y": 1, "x": 2.5}),
])
def test_an_event_is_spelled_the_same_the_first_time_and_later(raw: list[Any]) -> None:
    pids = {"12": "main", "14": "other"}
    right = [json.dumps(one, sort_keys=True, separators=(", ", ": ")) for one in spelled([raw], pids)]
    assert list(lines.trace([raw], pids)) == list(lines.trace([raw, raw], pids))[:1] == right
    assert list(lines.trace([raw], {})) == [lines.line(one) for one in spelled([raw], {})]


def test_equal_values_of_other_types_are_other_events() -> None:
    same = [event("seen", [], one) for one in (1, True, 1.0, "1", [1], [True])]
    assert [json.loads(text)[-1] for text in lines.trace(same, {})] == ["1", "True", "1.0", "1", "[1]", "[true]"]


@pytest.mark.parametrize("nonsense", [3, None, [3], [["main"]], ["text"], [event("mkdir", ["a"])], [event("mkdir", 3)]])  # type: ignore[arg-type]
def test_what_is_no_event_is_refused(nonsense: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError, StopIteration)):
        lines.trace(nonsense, {})
