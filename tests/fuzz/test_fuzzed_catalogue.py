"""Columns, cases and designs that are broken: what is wrong is a line that names the file, whatever is wrong.

Guards: these are files that people write by hand, merge and generate. A case is Python, which may do what it likes; that its
data is of a wrong type must not be found out by a traceback in the middle of a run.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import project
from fuzzing import NUMBERS, TEXTS, changed, damaged, fuzzed, is_plain
from hypothesis import strategies as st
from made import evidence

from ksem import catalog, cite, decide, designs, matrix, renderers
from ksem.cli import main
from ksem.guest.case import combinations, needs_of
from ksem.model import Cell, KsemError

COLUMNS = (project.ROOT / "vms" / "catalog.toml").read_text()
ENTRIES = dict(list(tomllib.loads(COLUMNS).items())[-4:])
DESIGN = {"title": "One", "about": "Some words.", "claim": [
    {"case": "availability.openat2", "observation": {"CACHED": "ok"}, "reason": "It is so.", "need": "wanted"},
    {"case": "bind_flags.inherited", "params": {"flag": ["ro", "nosuid"]}, "reason": "It is so too.",
     "observation": {"copies.bind.write": ["ok", "EROFS"]}}]}
BEHAVIOURS = [catalog.behaviour(project.ROOT / "cases" / f"{name}.py", project.ROOT / "cases")
              for name in ("availability/openat2", "bind_flags/inherited")]
# As TOML has them and JSON has not.
WORDS = st.sampled_from(["1979-05-27T07:32:00Z", "07:32:00", "inf", "-nan", "0xfe", "'''\n'''", "[" * 3000 + "]" * 3000,
                         "{a=" * 300 + "1" + "}" * 300, "9" * 5000, "1e400", "1979-99-99"])
PLAIN: st.SearchStrategy[Any] = st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from([[], {}, [[]], [{}]])
ODD = PLAIN | WORDS.map(lambda word: f"@{word}@")


def _toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, str) and len(value) > 2 and value[0] == value[-1] == "@":
        return value[1:-1]
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(str(key))} = {_toml(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return "''" if value is None else json.dumps(value)


def _files(base: dict[str, Any], text: str) -> st.SearchStrategy[bytes]:
    """Files of TOML made of a real one: hostile by structure, or by the byte."""
    def whole(value: Any) -> bytes:
        lines = [f"{json.dumps(str(key))} = {_toml(inner)}" for key, inner in value.items()]
        return "\n".join(lines).encode("utf-8", "surrogatepass")

    return changed(base, ODD).filter(lambda value: isinstance(value, dict)).map(whole) | damaged(text.encode())


def _told(problem: KsemError, name: str) -> None:
    assert name in str(problem)


@fuzzed({"data": b"x = " + b"9" * 5000}, {"data": b"x = " + b"[" * 3000 + b"]" * 3000}, data=_files(ENTRIES, COLUMNS))
def test_columns_are_known_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        (root / "vms").mkdir()
        (root / "vms" / "catalog.toml").write_bytes(data)
        try:
            for entry in catalog.entries(root):
                assert catalog.columns(root, [entry.name])[0].backend
        except KsemError as problem:
            _told(problem, "catalog.toml")


@fuzzed({"data": b"x = " + b"9" * 5000}, {"data": b"x = " + b"[" * 3000 + b"]" * 3000},
        {"data": b"title = 'a'\nabout = 'b'\n[[claim]]\ncase = 'availability.openat2'\nreason = 'c'\n"
                 b"observation = {'CACHED' = 1979-05-27}"},
        {"data": b"%s = 1" % (b"a" * 70_000)},
        data=_files(DESIGN, (project.ROOT / "designs" / "guix-daemon.toml").read_text()))
def test_a_design_is_decided_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as text:
        path = Path(text) / "one.toml"
        path.write_bytes(data)
        columns = [evidence("debian-6.12", "6.12", Cell("availability.openat2", {}, "observed", {"CACHED": "ok"}))]
        try:
            designs.cases(path)
            design = designs.read(path, BEHAVIOURS, columns)
        except KsemError as problem:
            _told(problem, "one.toml")
            return
        assert is_plain(decide.text(design, decide.decide(design, columns), 80))


CASE = {"claim": "It is so.", "cites": "@('intro(2)',)@", "expect": {"is": "so"}, "params": {"flag": ["ro", "nosuid"]},
        "needs": "@('root',)@", "options": "@('CONFIG_X',)@", "documented": "Otherwise.", "deadline": 5.0,
        "dirties_kernel": False, "shown_with": {"flag": "ro"}, "where": "@lambda flag: True@"}
VALUES = PLAIN | st.sampled_from([
    "()", "('',)", "(1,)", "(None,)", "b'x'", "{1, 2}", "object()", "lambda: 1", "lambda flag: {}", "lambda flag: {1: {2}}",
    "lambda **_: 1 / 0", "float('nan')", "float('inf')", "-1", "Case", "Rule({})", "(Rule({}, since='x'),)",
    "(Rule({}, backports='6.1'),)",
    "(Rule({'is': 'so'}, since='9' * 5000), Rule({}))", "(Rule({}, backports=(1,)),)", "(Rule(lambda flag: {'is': b'x'}),)",
    "(Rule({'is': 'so'}, cites=5),)", "(Rule(5),)", "[Rule({})]", "{'a': float('nan')}", "deep(2000)",
    "range(10**9)", "('fs:../x',)",
    "('syscall:x',)", "'root'"]).map(lambda word: f"@{word}@")
MADE = ["main", "mnt:0", "mkdir", ['"a"', "0755"], "0"]
TEMPLATE = """'''Prose.'''
from ksem.guest.case import Case, Rule

def deep(levels):
    found = {}
    for _ in range(levels):
        found = {"a": found}
    return found

CASE = Case(%s)

def observe(lab, flag):
    return {"is": "so"}
"""


def _python(value: Any) -> str:
    """A value as Python."""
    if isinstance(value, str) and len(value) > 2 and value[0] == value[-1] == "@":
        return value[1:-1]
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!a}: {_python(inner)}' for key, inner in value.items())}}}"
    return f"[{', '.join(map(_python, value))}]" if isinstance(value, list) else ascii(value)


@st.composite
def _cases(draw: st.DrawFn) -> bytes:
    """A case file with fields of wrong types."""
    fields: dict[str, Any] = {**CASE}
    for name in draw(st.lists(st.sampled_from(sorted(CASE)), max_size=3)):
        fields[name] = draw(VALUES | changed(CASE[name], VALUES))
    return (TEMPLATE % ", ".join(f"{name}={_python(value)}" for name, value in fields.items())).encode()


BROKEN = st.sampled_from([b"", b"\0", b"\xff", b"import sys; sys.exit(3)", b"raise SystemExit", b"CASE = 5", b"1/0", b"(" * 300,
                          b"from ksem.guest.case import Case\nCASE = Case", b"raise GeneratorExit", b"__doc__ = 5\n"])


def _with(**fields: Any) -> dict[str, bytes]:
    text = ", ".join(f"{name}={_python(value)}" for name, value in {**CASE, **fields}.items())
    return {"data": (TEMPLATE % text).encode()}


@fuzzed(*(_with(**{name: value}) for name, value in [
            ("options", 5), ("options", "CONFIG_X"), ("documented", 5), ("deadline", "5"), ("deadline", "@float('nan')@"),
            ("expect", "@{'is': {1, 2}}@"), ("expect", "@deep(2000)@"), ("expect", "@(Rule({}, cites=5),)@"),
            ("cites", "@(5,)@"), ("params", {"flag": "@range(10**9)@"})]),
        {"data": b"raise SystemExit"}, {"data": b"__doc__ = 5\n"},
        data=_cases() | BROKEN | (_cases() | BROKEN).flatmap(damaged), few=80)
def test_a_case_can_be_used_or_is_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        (root / "cases" / "made").mkdir(parents=True)
        path = root / "cases" / "made" / "case.py"
        path.write_bytes(data)
        try:
            one = catalog.behaviour(path, root / "cases")
        except KsemError as problem:
            _told(problem, "case.py")
            return
        assert one.case.deadline + 1 > 0
        cells = []
        for params in combinations(one.case):
            assert all(isinstance(need, str) for need in needs_of(one.case, params))
            cells.append(Cell(one.name, params, "observed", {"is": "not so"}, trace=(MADE,)))
        found = matrix.build([one], [evidence("debian-6.12", "6.12", *cells)])
        for name in renderers.names():
            renderers.renderer(name)(found)
        with contextlib.suppress(KsemError):
            assert is_plain(cite.cite(found, found.sections[0]))


@fuzzed(word=TEXTS, few=20)
def test_a_word_of_a_file_is_no_command_to_a_terminal(word: str) -> None:
    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        (root / "cases").mkdir()
        (root / "designs").mkdir()
        (root / "designs" / "one.toml").write_text(
            f"title = {json.dumps(word)}\n".encode("utf-8", "replace").decode() + "about = 'x'\nclaim = 5", encoding="utf-8")
        said = _printed(["--project", text, "decide", "one"])
        assert is_plain(said)


def _printed(arguments: list[str]) -> str:
    with tempfile.TemporaryFile("w+", errors="backslashreplace") as file, contextlib.redirect_stderr(file):
        assert main(arguments) == 2
        file.seek(0)
        return file.read()
