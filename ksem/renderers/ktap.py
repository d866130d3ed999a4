"""The matrix as KTAP, version 1: a test for each column, in it one for each case, in that one for each parameter set.

Contract: `matrix`, `model`. Valid to Documentation/dev-tools/ktap.rst and read in full by the kernel's own parser,
tools/testing/kunit/kunit_parser.py. unsupported and unknown are skips, with the reason; broken, lost and flaky are `not ok`
with the directive ERROR. What was seen instead of the expected stands in diagnostic lines before the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ksem.matrix import Matrix, Section, leaves
from ksem.model import Result, Verdict
from ksem.wrap import escaped

INDENT = "  "
SKIPPED = {Verdict.UNSUPPORTED: "unsupported", Verdict.UNKNOWN: "not run"}


@dataclass(frozen=True)
class Test:
    """A test of KTAP, with the tests that it consists of, or with its own result. notes: diagnostic lines."""

    name: str
    passed: bool
    directive: str = ""
    notes: tuple[str, ...] = ()
    inner: tuple[Test, ...] = ()

    @property
    def skipped(self) -> bool:
        """Whether nothing of it was run."""
        return self.directive.startswith("SKIP")


def render(matrix: Matrix) -> str:
    """Without any column or case there is a plan for no test."""
    columns = [_column(matrix, number) for number in range(len(matrix.columns))]
    return "\n".join(_lines([column for column in columns if column.inner])) + "\n"


def _column(matrix: Matrix, number: int) -> Test:
    column = matrix.columns[number]
    surroundings = leaves(column.environment) if column.environment else {}
    notes = [f"release: {column.release}", *(f"environment: {key}: {value}" for key, value in surroundings.items())]
    notes += [f"remark: {column.remark}"] if column.remark else []
    return _parent(column.column, notes, [_case(section, number) for section in matrix.sections if section.rows])


def _case(section: Section, number: int) -> Test:
    name, rows = section.behaviour.name, section.rows
    if not section.behaviour.case.params:
        return _test(name, rows[0].results[number])
    return _parent(name, [], [
        _test(" ".join(f"{key}={value}" for key, value in leaves(row.params).items()), row.results[number]) for row in rows])


def _parent(name: str, notes: Iterable[str], inner: Iterable[Test]) -> Test:
    """A test that consists of others: it fails with any of them, and is skipped when all of them are."""
    tests = tuple(inner)
    directive = "SKIP nothing of it was run" if tests and all(test.skipped for test in tests) else ""
    return Test(_named(name), all(test.passed for test in tests), directive, tuple(map(_plain, notes)), tests)


def _test(name: str, result: Result) -> Test:
    reason = _plain(result.cell.reason.partition("\n")[0])
    more = tuple(_plain(f"{result.verdict}: {line}") for line in result.cell.reason.splitlines()[1:])
    if result.verdict in SKIPPED:
        return Test(_named(name), True, f"SKIP {reason or SKIPPED[result.verdict]}", more)
    if result.verdict is Verdict.DIFFERS:
        return Test(_named(name), False, "", tuple(_differing(result)))
    if result.verdict is Verdict.CONFORMS:
        return Test(_named(name), True)
    return Test(_named(name), False, f"ERROR {result.verdict}: {reason}".rstrip(": "), more)


def _differing(result: Result) -> Iterator[str]:
    actual, right = leaves(result.cell.observation), leaves(result.expected)
    for path in {**right, **actual}:
        if actual.get(path) != right.get(path):
            yield _plain(f"differs: {path}: expected {right.get(path, 'nothing')}, observed {actual.get(path, 'nothing')}")
    if result.cites:
        yield _plain(f"differs: the expectation's source: {result.cites}")


def _lines(tests: list[Test], parent: str = "") -> Iterator[str]:
    yield "KTAP version 1"
    # The specification has no such line, the parser reads it: it knows a test by it from its beginning.
    if parent:
        yield f"# Subtest: {parent}"
    yield f"1..{len(tests)}"
    for number, test in enumerate(tests, 1):
        # The parser ends a test at the first result that bears the test's name.
        name = f"{test.name} (its own)" if test.name == parent else test.name
        if test.inner:
            yield from (INDENT + line for line in _lines(list(test.inner), name))
        yield from (f"# {note}" for note in test.notes)
        yield f"{'ok' if test.passed else 'not ok'} {number} {name}" + (f" # {test.directive}" if test.directive else "")


def _plain(text: str) -> str:
    """Text on one line."""
    return " ".join(escaped(text, keep="\n").split())


def _named(text: str) -> str:
    """A description: `#` would end it, and a dash before it belongs to the syntax."""
    return _plain(text).replace("#", "\\x23").lstrip("- ") or "unnamed"
