"""What the fuzzed tests share: how long they go on, what an example may take, and how real inputs are made hostile.

In a plain run each test takes a few dozen examples, always the same. With KSEM_FUZZ=SECONDS (`make fuzz`) it goes on for so
long, in rounds with another seed each, and its memory after the first rounds is compared with that after the last.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import gc
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
from hypothesis import strategies as st

VARIABLE = "KSEM_FUZZ"
# Seconds that one example may take on a busy machine, and megabytes that all together may come to need on top.
HANGING, LARGE = 20.0, 600
# Examples of a round, and how much more memory may be in use at the end than after the first five.
ROUND, WARM, GROWTH = 200, 5, 1.3
PHASES = (hypothesis.Phase.explicit, hypothesis.Phase.generate, hypothesis.Phase.shrink)
QUIET = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large, hypothesis.HealthCheck.large_base_example,
         hypothesis.HealthCheck.filter_too_much]

# What has gone wrong in such places: control characters, halves of characters, ends of literals and comments, markup.
TEXTS = st.sampled_from([
    "", " ", "\n", "\0", "\x1b[2J\x1b]0;owned\x07", "\x9b2J", "\r\nFrom: root", "\ud800", "\udcff", "\u202egnp.exe", "\u2028",
    '"', '\\', '\\"', '"; system("id"); "', "*/ int main(void) { } /*", "??/", "??/\n", "\\\n", "%n%s%d", "/proc/<main>",
    "<>", "<main>", "</script><script>", "`id`", "$(id)", "../../etc/passwd", "/" * 300, "a" * 70_000, "1" * 5000,
    "ü", "\u0661\u0662", "010", "-0", "0x", "1e999", "NaN", "{", "[", "{}", "[]", "NULL", "True", "EPERM", "-k",
    "# x", "|", "null",
]) | st.text(max_size=12)
NUMBERS = st.sampled_from([0, -1, 1, 2, 10**18, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308]) | st.integers()
# Their texts take the place of these in JSON: no value of Python's would come out so.
SPELLED = {"@deep@": "[" * 5000 + "]" * 5000, "@deeper@": '{"a":' * 100_000, "@nan@": "NaN", "@infinite@": "-Infinity",
           "@large@": "1e999", "@digits@": "7" * 100_000, "@twice@": '{"a": 1, "a": {"a": []}}', "@half@": '"\\ud800"',
           "@nested@": "[" * 400 + "]" * 400, "@tables@": '{"a":' * 400 + "1" + "}" * 400}
ODD = st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from([[], {}, [[]], [{}], {"": {}}, *SPELLED])


def seconds() -> float:
    """For how long each test goes on; 0 for a plain run."""
    return float(os.environ.get(VARIABLE, "0"))


class TooLong(Exception):
    """An example that did not end."""


@contextlib.contextmanager
def ending(limit: float = HANGING) -> Iterator[None]:
    """What takes longer is a hang."""
    def interrupt(number: int, frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzzed(*examples: Any, few: int = 60, **strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A test of one hostile input.

    examples: those that have found something, as keyword arguments. few: how many there are in a plain run.
    """
    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        count = 0

        def one(**given: Any) -> None:
            nonlocal count
            count += 1
            with ending():
                test(**given)

        def run() -> None:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            plain = hypothesis.settings(phases=PHASES, max_examples=few, suppress_health_check=QUIET)
            tried = plain(hypothesis.given(**strategies)(_named(one, test)))
            for example in examples:
                tried = hypothesis.example(**example)(tried)
            tried()
            if seconds():
                _rounds(one, test, strategies, lambda: count)
            more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
            assert more < LARGE, f"{more:.0f} MB more were needed"

        run.__doc__ = test.__doc__
        run.__name__ = run.__qualname__ = test.__name__
        run.__module__ = test.__module__
        return run
    return decorate


def _rounds(one: Callable[..., None], test: Callable[..., None], strategies: dict[str, Any], count: Callable[[], int]) -> None:
    """Examples until the time is over, each round with a seed that is told."""
    settings = hypothesis.settings(phases=PHASES, max_examples=ROUND, derandomize=False, suppress_health_check=QUIET,
                                   database=None, report_multiple_bugs=False)
    end, warm, number = time.monotonic() + seconds(), 0.0, 0
    while time.monotonic() < end:
        seed = random.SystemRandom().getrandbits(32)
        try:
            hypothesis.seed(seed)(settings(hypothesis.given(**strategies)(_named(one, test))))()
        except BaseException:
            print(f"{test.__name__}: seed {seed}, after {count()} examples", file=sys.stderr)
            raise
        number += 1
        if number <= WARM:
            warm = _used()
    used = _used()
    print(f"{test.__name__}: {count()} examples in {seconds():.0f} s, {warm:.0f} MB at first, {used:.0f} MB at last",
          file=sys.stderr, flush=True)
    assert used < GROWTH * warm + 20, f"{warm:.0f} MB grew to {used:.0f}"


def _named(one: Callable[..., None], test: Callable[..., None]) -> Callable[..., None]:
    """One that hypothesis takes for another test at each call, as it remembers what it knows of a function."""
    def again(**given: Any) -> None:
        one(**given)

    again.__name__ = again.__qualname__ = test.__name__
    again.__module__ = test.__module__
    return again


def _used() -> float:
    """Megabytes that this process has in memory, without what is free and only kept by malloc: that is as much as ever was."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


@st.composite
def changed(draw: st.DrawFn, base: Any, odd: st.SearchStrategy[Any] = ODD) -> Any:
    """A value of JSON with some of what it is made of replaced, left out, doubled, put elsewhere."""
    value = copy.deepcopy(base)
    for _ in range(draw(st.integers(1, 3))):
        value = _changed_once(draw, value, odd)
    return value


def _changed_once(draw: st.DrawFn, value: Any, odd: st.SearchStrategy[Any]) -> Any:
    holder: Any = [value]
    top, key = holder, 0
    while isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 7)):
        holder = holder[key]
        key = draw(st.sampled_from(sorted(holder, key=str) if isinstance(holder, dict) else range(len(holder))))
    how = draw(st.sampled_from(["odd", "odd", "odd", "gone", "inside", "name", "top"]))
    if how == "odd":
        # What is drawn from a list is always the same object.
        holder[key] = copy.deepcopy(draw(odd))
    elif how == "inside":
        holder[key] = draw(st.sampled_from([[holder[key]], {"a": holder[key]}, str(holder[key])]))
    elif how == "top":
        holder[key] = copy.deepcopy(draw(st.sampled_from([top[0], holder])))
    elif how == "name" and isinstance(holder, dict):
        holder[draw(TEXTS)] = holder[key] if draw(st.booleans()) else holder.pop(key)
    elif holder is not top:
        del holder[key]
    return top[0]


def spelled(value: Any) -> str:
    """A value as JSON, with what no value of Python's would give."""
    try:
        text = json.dumps(value)
    except RecursionError:
        # Copies of what was nested already.
        text = SPELLED["@deep@"]
    for word, instead in SPELLED.items():
        text = text.replace(json.dumps(word), instead)
    return text


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes of which some are changed, lost, doubled or put in."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.sampled_from([start, start + 1, start + 2, start + 64, len(data)]))
        data = data[:start] + draw(st.binary(max_size=4) | st.just(data[start:end] * 2)) + data[end:]
    return data


def texts_of(base: Any, odd: st.SearchStrategy[Any] = ODD) -> st.SearchStrategy[bytes]:
    """Files of JSON made of a real one: hostile by structure, or by the byte."""
    whole = changed(base, odd).map(spelled).map(lambda text: text.encode("utf-8", "surrogatepass"))
    return whole | damaged(json.dumps(base).encode())


def check_brief(problem: Exception, length: int = 2000) -> None:
    """What is said of a problem is for people."""
    assert len(str(problem)) < length


def is_plain(text: str) -> bool:
    """Whether a terminal that shows a text obeys none of it."""
    return all(one.isprintable() or one == "\n" for one in text)
