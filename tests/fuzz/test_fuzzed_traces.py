"""A trace of anything: what is made of it in C has the statements that it should have and no others, and a mail stays a mail.

Guards: a sceptic compiles and runs, as root, what `ksem repro` makes of evidence that others may have written.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import project
from fuzzing import ODD, TEXTS, changed, check_brief, fuzzed, is_plain, spelled
from hypothesis import strategies as st
from made import behaviour, case

from ksem import repro, strace, traces
from ksem.guest.readers import READERS
from ksem.guest.syscalls import SIGNATURES
from ksem.guest.wire import loads
from ksem.lines import check_event
from ksem.model import Cell, Evidence, KsemError
from ksem.repro import literals, parts
from ksem.repro.arguments import CONSTANTS, ERRNOS

SOURCES = ("availability.openat2", "bind_flags.inherited", "availability.clone3", "mount_locking.beneath", "id_maps.map_text",
           "overflow_ids.peers", "chown_setid.times", "availability.statmount", "availability.execve_check")
BEHAVIOUR = behaviour(case())
CALLS = sorted({*SIGNATURES, *READERS})
# What a program may consist of beside what is in its parts.
WORDS = frozenset(re.findall(r"\w+", """
    static void require steps int char const struct long enum define ifndef endif include _GNU_SOURCE names timeval gid_t NULL
    some CALL CHILD EMPTY BIT PID SEEN_ON RESULTS PROCESSES OWNER OTHER GROUP True False None true false null errno getpid
    getppid fork syscall return E U gnu11 main
"""))


def _events(name: str) -> list[Any]:
    stored = json.loads((project.ROOT / "results" / "traces" / f"{name}.json").read_text())["traces"]
    events: list[Any] = next(iter(stored.values()))
    return events[:25]


TRACES = [_events(name) for name in SOURCES]
EVENTS = [event for trace in TRACES for event in trace]


@st.composite
def _made(draw: st.DrawFn) -> Any:
    """Any call with arguments and results of others, or with anything."""
    arguments = st.sampled_from([text for event in EVENTS for text in event[3]]) | TEXTS | TEXTS.map(lambda text: f'"{text}"')
    results = st.sampled_from([event[4] for event in EVENTS]) | TEXTS | TEXTS.map(json.dumps) | ODD.map(spelled)
    places = st.sampled_from(["main", "child"]) | TEXTS
    return [["main", "mnt:0", draw(st.sampled_from(["fork", "clone"])), [], f"<{draw(places)}>"],
            [draw(places), draw(TEXTS), draw(st.sampled_from(CALLS) | TEXTS), draw(st.lists(arguments, max_size=6)),
             draw(results)]]


TEXT_EVENTS = st.lists(st.sampled_from(EVENTS).flatmap(lambda event: st.just(event) | changed(event, TEXTS)) | _made(),
                       max_size=4)


@st.composite
def _traces(draw: st.DrawFn) -> list[Any]:
    """A real one with something hostile in it."""
    real = draw(st.sampled_from(TRACES))
    place = draw(st.integers(0, len(real)))
    found: list[Any] = []
    for event in [*real[:place], *draw(TEXT_EVENTS), *real[place:]]:
        found += event if isinstance(event, list) and event and isinstance(event[0], list) else [event]
    return _sound(found)


def _sound(events: list[Any]) -> list[Any]:
    """Those that a results file can hold: the others are refused where it is read."""
    kept = []
    for event in events:
        with contextlib.suppress(ValueError):
            found = loads(spelled(event))
            check_event(found)
            kept.append(found)
    return kept


def _one(call: str, arguments: list[str], result: str) -> dict[str, Any]:
    """A trace that has found something."""
    return {"trace": [["main", "mnt:0", call, arguments, result]], "release": "6.12", "caller": "root", "params": {}}


@fuzzed(_one("getuid", [], "\u0661\u0662"), _one("getuid", [], "7" * 5000), _one("read_file", [], "x"),
        _one("write_file", [], "0"), _one("run_command", ["[]"], "0"), _one("run_command", ["NULL"], "0"),
        _one("run_command", ['["\\ud800"]'], "0"),
        _one("read_file", ['"a"'], "\ud800"), _one("access", ['"a"', "010"], "0"), _one("fork", [], "<>"),
        _one("mountinfo", ['"/"'], '{"a": 1e999}'), _one("mountinfo", ['"/"'], "[" * 5000), _one("umask", ["\u0661"], "0"),
        _one("utimes", ['"a"', "{{\u0661, 0}, {1, 0}}"], "0"),
        trace=_traces(), release=TEXTS, caller=st.sampled_from(["root", "ordinary user"]) | TEXTS,
        params=st.just({}) | changed({"a": 1}))
def test_a_program_has_the_statements_of_its_trace_alone(trace: list[Any], release: str, caller: str, params: Any) -> None:
    release = release[:200]
    evidence = Evidence(release, release, {"caller": caller, "version": release, "os": release, "sysctl": {release: release},
                                           "lsm": release}, ())
    params = {str(key): value for key, value in params.items()} if isinstance(params, dict) else {}
    cell = Cell(BEHAVIOUR.name, params, "observed", {release: release}, "", tuple(trace))
    try:
        text = repro.program(BEHAVIOUR, cell, evidence)
    except KsemError as problem:
        check_brief(problem)
        return
    text.encode("ascii")
    assert is_plain(text)
    _check_structure(text, trace)


def _check_structure(text: str, trace: list[Any]) -> None:
    code = _code(text)
    for opening, closing in ("()", "{}", "[]"):
        assert code.count(opening) == code.count(closing), (opening, code)
    body = re.search(r"static void steps\(void\)\s*\{(.*?)\n\}", code, re.DOTALL)
    assert body is not None
    statements = [" ".join(one.split()) for one in body.group(1).split(";")]
    assert statements.pop() == ""
    made = [one for one in statements if not one.startswith("EMPTY(")]
    assert len(made) == len(trace)
    assert all(re.match(r"(CALL|CHILD|EMPTY)\(\w+, .*\)$", one) for one in statements), statements
    words = set(re.findall(r"(?<!\w)[A-Za-z_]\w*", code))
    names = set(re.findall(r"P_(\w+)", code))
    unknown = words - KNOWN - names - {f"P_{name}" for name in names}
    assert not unknown, unknown


def _code(text: str) -> str:
    """A program without its comments, and with empty literals, as a compiler finds them (ISO C, 5.1.1.2, phases 1 to 3)."""
    for letter, instead in zip("=/'()!<>-", "#\\^[]|{}~", strict=True):
        text = text.replace(f"??{letter}", instead)
    text = text.replace("\\\n", "")
    pieces, place = [], 0
    while place < len(text):
        if text.startswith("/*", place):
            end = text.index("*/", place + 2) + 2
            pieces.append(" ")
        elif text.startswith("//", place):
            raise AssertionError("a comment to the end of a line")
        elif text[place] in "\"'":
            quote, end = text[place], place + 1
            while text[end] != quote:
                assert text[end] != "\n", "a literal that does not end in its line"
                end += 2 if text[end] == "\\" else 1
            end += 1
            pieces.append('""')
        else:
            end = place + 1
            pieces.append(text[place])
        place = end
    return "".join(pieces)


KNOWN = WORDS | CONSTANTS.keys() | ERRNOS | SIGNATURES.keys() | READERS.keys() | {f"sys_{name}" for name in SIGNATURES} | {
    word for name in parts.names() for word in re.findall(r"[A-Za-z_]\w*", _code(parts.text(name)))} | {
    # Of headers, of sizes, and names of fields of C's own structures.
    *re.findall(r"[A-Za-z_]\w*", " ".join(sorted(parts.HEADERS)))} | {
    word for call in SIGNATURES for _, kind in SIGNATURES[call].arguments if not kind.given and not kind.output
    for word in re.findall(r"[A-Za-z_]\w*", kind.show(None))} | {
    argument for call in SIGNATURES for argument, _ in SIGNATURES[call].arguments} | {
    name.removeprefix("IOCTL_") for name in CONSTANTS}


@fuzzed(text=TEXTS, more=TEXTS)
def test_no_text_leaves_a_comment_or_a_literal(text: str, more: str) -> None:
    assert not _code(literals.comment([text, f"{text}{more}", f"  {more}"])).strip()
    assert not _code(f"/* {literals.plain(text)}: {literals.plain(more)} */").strip()
    with contextlib.suppress(UnicodeEncodeError):
        data = f"{text}{more}".encode("utf-8", "surrogateescape")
        assert _code(literals.literal(data)) == '""'
        words = _code(literals.statement(f"f({literals.literal(data)});")).split()
        assert re.fullmatch(r'f\((?:"")+\);', "".join(words))


@fuzzed(trace=_traces(), other=_traces(), focus=st.integers(0, 30), room=st.integers(1, 30))
def test_calls_in_a_mail_are_lines_of_it(trace: list[Any], other: list[Any], focus: int, room: int) -> None:
    if not trace:
        return
    kept, left_out = strace.cut(trace, min(focus, len(trace) - 1), room)
    assert len(kept) <= room
    notes = strace.answers(trace, other)
    told = strace.lines(trace, kept, notes, 72, strace.origins(trace, kept))
    assert is_plain(left_out)
    for line in "\n".join(told).splitlines():
        assert is_plain(line)
        assert line.isascii()
        # Indented: nothing that a mail has begins so.
        assert line.startswith("  ")


@fuzzed(events=st.lists(ODD | changed(EVENTS[0]), max_size=3))
def test_the_name_of_a_trace_is_a_file_name(events: list[Any]) -> None:
    assert re.fullmatch("[0-9a-f]{12}", traces.digest(_sound(events)))
