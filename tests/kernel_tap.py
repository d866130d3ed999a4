"""Reads KTAP as the kernel's own parser does, and holds it against the specification.

Written from Documentation/dev-tools/ktap.rst (line formats, numbering, indentation, directives, bubbling up) and from the
rules of tools/testing/kunit/kunit_parser.py (a test is known by its `# Subtest` line, ends at the result that bears its name,
and a plan that is not kept is an error). Nothing is taken from ksem.renderers.ktap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

VERSION = re.compile(r"KTAP version 1")
PLAN = re.compile(r"1\.\.(\d+)")
HEADER = re.compile(r"# Subtest: (.*)")
RESULT = re.compile(r"(ok|not ok) (\d+) (?:- )?([^#]*?)(?: # (.*))?")
DIRECTIVES = {"SKIP", "TODO", "XFAIL", "TIMEOUT", "ERROR"}


@dataclass
class Test:
    """One test with its subtests. status: passed, failed or skipped. log: its diagnostic lines."""

    name: str = ""
    status: str = ""
    directive: str = ""
    reason: str = ""
    log: list[str] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)


class Invalid(Exception):
    """Not KTAP, or not what the kernel's parser makes sense of."""


def parse(text: str) -> Test:
    """All tests of an output, below one without a name. Raises Invalid."""
    if not text.endswith("\n"):
        raise Invalid("the last line has no end")
    lines = _Lines(text.removesuffix("\n").split("\n"))
    main = Test("main")
    _plan(lines, main, 0)
    if not lines.done():
        raise Invalid(f"after the end: {lines.peek()!r}")
    return main


class _Lines:
    def __init__(self, lines: list[str]) -> None:
        for line in lines:
            if line != line.rstrip() or not line.isprintable():
                raise Invalid(f"{line!r} ends in a space or has a control character")
        self._lines = lines
        self._next = 0

    def done(self) -> bool:
        return self._next == len(self._lines)

    def peek(self) -> str:
        return "" if self.done() else self._lines[self._next]

    def take(self, depth: int, form: re.Pattern[str]) -> re.Match[str] | None:
        """The next line when it has this form at this depth: two spaces each."""
        line = self.peek()
        match = form.fullmatch(line[2 * depth:]) if line.startswith("  " * depth) else None
        self._next += bool(match)
        return match


def _plan(lines: _Lines, test: Test, depth: int) -> None:
    """A version line, the name of the test whose part this is, a plan, and as many tests."""
    if lines.take(depth, VERSION) is None:
        raise Invalid(f"no version line: {lines.peek()!r}")
    if depth and (header := lines.take(depth, HEADER)):
        test.name = header[1]
    plan = lines.take(depth, PLAN)
    if plan is None:
        raise Invalid(f"no plan: {lines.peek()!r}")
    for number in range(1, int(plan[1]) + 1):
        test.tests.append(_test(lines, number, test.name, depth))


def _test(lines: _Lines, number: int, parent: str, depth: int) -> Test:
    test = Test()
    test.log += _diagnostics(lines, depth)
    if lines.peek().startswith("  " * (depth + 1) + "KTAP"):
        _plan(lines, test, depth + 1)
        test.log += _diagnostics(lines, depth)
    result = lines.take(depth, RESULT)
    if result is None:
        raise Invalid(f"no result of test {number}: {lines.peek()!r}")
    if int(result[2]) != number:
        raise Invalid(f"test {number} has the number {result[2]}")
    if not result[3] or result[3] != result[3].strip():
        raise Invalid(f"no clean description: {result[0]!r}")
    if test.name and test.name != result[3]:
        raise Invalid(f"{test.name!r} ends as {result[3]!r}")
    if depth and result[3] == parent:
        raise Invalid(f"{parent!r} holds a test of its own name, which would end it")
    test.name = result[3]
    _judge(test, result[1] == "ok", result[4] or "")
    return test


def _diagnostics(lines: _Lines, depth: int) -> list[str]:
    found = []
    while (match := lines.take(depth, re.compile(r"# (?!Subtest: )(.+)"))) is not None:
        found.append(match[1])
    return found


def _judge(test: Test, ok: bool, after: str) -> None:
    word, _, rest = after.partition(" ")
    if word in DIRECTIVES:
        test.directive, test.reason = word, rest
    if test.directive in ("TIMEOUT", "ERROR") and ok:
        raise Invalid(f"{test.name!r} is ok with {test.directive}")
    test.status = "skipped" if test.directive == "SKIP" else "passed" if ok else "failed"
    inner = {one.status for one in test.tests}
    if test.tests and (test.status == "failed") != ("failed" in inner):
        raise Invalid(f"{test.name!r} {test.status}, but its tests {sorted(inner)}")
    if test.tests and (test.status == "skipped") != (inner == {"skipped"}):
        raise Invalid(f"{test.name!r} {test.status}, but its tests {sorted(inner)}")
