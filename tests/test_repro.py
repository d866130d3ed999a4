"""A program is made of whatever a trace may hold, compiles without a warning, and says by its exit status what it saw.

Guards: a call, a structure or a header of which no C is known; data that becomes code; a program that agrees with everything;
one that hangs, or leaves something behind. That programs show what their cases saw is for the kernels: test_reproducers.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made
import pytest
from reproducing import COMPILER

from ksem import repro
from ksem.guest.numbers import NUMBERS
from ksem.guest.readers import READERS
from ksem.guest.structures import Kind, Text
from ksem.guest.syscalls import SIGNATURES
from ksem.guest.trace import spelled
from ksem.model import KsemError
from ksem.repro import arguments, parts
from ksem.repro.literals import WIDTH

HOSTILE = 'x*/ int evil; /* ??/ "); system("id"); \n \\ \x1b[0m é %s %n'
# On this machine, whoever runs the tests: a program of root's says elsewhere that it cannot be run.
CALLER = "root" if Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"] and os.geteuid() == 0 \
    else "ordinary user"
Trace = list[list[Any]]


def event(call: str, arguments: list[str], result: str, process: str = "main") -> list[Any]:
    """An event as it is stored."""
    return [process, "mnt:0 user:0", call, arguments, result]


PLAIN: Trace = [
    event("chdir", ['"/"'], "0"),
    event("fork", [], "<child>"),
    event("chdir", ['"/no such directory"'], "ENOENT", "child"),
    event("read_file", ['"/proc/<child>/no such file"'], "ENOENT"),
]


def program(trace: Trace, caller: str = CALLER, **fields: Any) -> str:
    """The program for a made-up cell."""
    environment = {"caller": caller, "version": fields.pop("version", "#1 SMP"), "lsm": "capability"}
    case = made.case(**fields)
    return repro.program(made.behaviour(case), made.cell({"is": "so"}, trace=tuple(trace)),
                         made.evidence("debian-6.12", "6.12.90", environment=environment))


def compiled(text: str, directory: Path, *options: str) -> Path:
    """The program, compiled as its header says, with every warning an error."""
    source = directory / "program.c"
    source.write_text(text, encoding="ascii")
    made = directory / "program"
    done = subprocess.run([*COMPILER, *options, "-o", made, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


def run(text: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([compiled(text, directory, *options)], capture_output=True, text=True, check=False)


def test_a_program_that_sees_the_same_ends_with_0(tmp_path: Path) -> None:
    ended = run(program(PLAIN), tmp_path)
    assert ended.stdout.splitlines() == [
        'same    main: chdir("/") = 0',
        "same    main: fork() = <child>",
        'same    child: chdir("/no such directory") = ENOENT',
        'same    main: read_file(with("/proc/%d/no such file", PID(child))) = ENOENT',
        "4 of 4 results are those of debian-6.12 (Linux 6.12.90)",
    ]
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_program_that_sees_something_else_ends_with_1(tmp_path: Path, number: int) -> None:
    changed = [list(one) for one in PLAIN]
    changed[number][4] = "EPERM"
    ended = run(program(changed), tmp_path)
    assert ended.returncode == 1
    assert [line.startswith("DIFFERS") for line in ended.stdout.splitlines()[:4]] == [one == number for one in range(4)]
    assert ended.stdout.splitlines()[number].endswith(", expected EPERM")
    assert ended.stdout.splitlines()[4].startswith("3 of 4 results")


def test_a_program_for_another_caller_is_not_run(tmp_path: Path) -> None:
    ended = run(program(PLAIN, caller="ordinary user" if CALLER == "root" else "root"), tmp_path)
    assert (ended.returncode, ended.stdout) == (125, "")
    assert ended.stderr.startswith("cannot be run here: needs ")


@pytest.mark.parametrize("need", ["fs:no_such_filesystem", "syscall:fchroot"])
def test_a_program_is_not_run_where_something_is_missing(tmp_path: Path, need: str) -> None:
    """The number of the system call is one that no kernel has."""
    ended = run(program(PLAIN, needs=(need,)), tmp_path, "-DSYS_fchroot=100000")
    assert (ended.returncode, ended.stdout) == (125, "")
    assert need.partition(":")[2] in ended.stderr


def test_a_program_is_not_run_where_another_that_it_runs_is_missing(tmp_path: Path) -> None:
    command = [json.dumps(["/nowhere/newuidmap", "<pid>"]), '"/proc/<first>"']
    ended = run(program([event("fork", [], "<first>"), event("run_command", command, "1")]), tmp_path)
    assert (ended.returncode, ended.stdout) == (125, "")
    assert ended.stderr == "cannot be run here: no program /nowhere/newuidmap\n"


def test_a_disk_that_is_needed_is_explained() -> None:
    text = program([event("mount", ['"/dev/ksem-ext4"', '"files"', '"ext4"', "0", "NULL"], "0")], needs=("fs:ext4",))
    assert ' *   mkfs.ext4 ' in text
    assert 'require_disk("/dev/ksem-ext4");' in text
    assert 'EMPTY(main, "files");' in text


BLOCKED: Trace = [event("socketpair", ["1", "1", "0"], "[3, 4]"), event("fork", [], "<child>"),
                  event("read", ["3", "1"], "x", "child")]


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    ended = run(program(BLOCKED), tmp_path, "-DPATIENCE=1")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[2:] == ["it did not end in time",
                                             "2 of 3 results are those of debian-6.12 (Linux 6.12.90)"]


@pytest.fixture
def blocked(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has come to where it waits for ever."""
    running = subprocess.Popen([compiled(program(BLOCKED), tmp_path)], stdout=subprocess.PIPE, text=True)
    assert running.stdout
    assert running.stdout.readline().startswith("same")
    assert running.stdout.readline().startswith("same")
    with running:
        yield running
        running.kill()


def test_who_interrupts_it_interrupts_all_of_it(blocked: subprocess.Popen[str]) -> None:
    blocked.send_signal(signal.SIGINT)
    # The end of its output comes only when nobody is left who could write.
    assert blocked.communicate()[0] == ""
    assert blocked.returncode == 128 + signal.SIGINT


def test_what_it_inherits_makes_no_difference(tmp_path: Path) -> None:
    """Descriptors that are open or not, another umask, a directory of one's own, and nobody who reads."""
    path = compiled(program([*PLAIN, event("umask", ["0022"], "18"), event("open", ['"/"', "O_PATH", "0000"], "3")]), tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ended = subprocess.run(["sh", "-c", 'umask 077; exec "$0" <&- 3</ 7</', path], stdout=nobody, cwd=tmp_path, check=False)
    assert ended.returncode == 0


def test_nothing_from_results_becomes_code(tmp_path: Path) -> None:
    hostile = Text().show(HOSTILE)
    case = made.case(claim=HOSTILE, cites=(HOSTILE,), params={HOSTILE: (HOSTILE,)})
    trace = [event("chdir", [hostile], "ENOENT"), event("fork", [], f"<{HOSTILE}>"),
             event("getxattr", ['"/dev/null"', hostile, "256"], "EOPNOTSUPP", HOSTILE),
             event("mkdir", ['"/no such directory/evil\\" */"', "0755"], "ENOENT"),
             event("list_directory", ['"/"'], json.dumps(['evil" *'])),
             event("write_file", ['"/proc/<main>/*/"', hostile], "ENOENT")]
    text = repro.program(made.behaviour(case, HOSTILE), made.cell({HOSTILE: HOSTILE}, {HOSTILE: HOSTILE}, trace=tuple(trace)),
                         made.evidence(HOSTILE, HOSTILE, environment={"caller": CALLER, "version": HOSTILE, "lsm": HOSTILE}))
    assert max(len(line) for line in text.splitlines() if '"' not in line) <= WIDTH
    ended = run(text, tmp_path)
    assert ended.stdout.splitlines()[-1].startswith("5 of 6 results are those of ")
    assert all(" " <= one <= "~" or one == "\n" for one in ended.stdout)


@pytest.mark.parametrize("wrong", [
    event("mount", ['"a"', '"b"', "NULL", '0); system("id"); (0', "NULL"], "0"),
    event("mount", ['"a"', '"b"', "NULL", "MS_BIND|MS_EVIL", "NULL"], "0"),
    event("mkdir", ['"a"', "0755", "0"], "0"),
    event("mkdir", ['"a', "0755"], "0"),
    event("mkdir", ['"a"', "0755"], '0); system("id"); (0'),
    event("mount_setattr", ["3", '"a"', "0", '{.attr_set = 0} + system("id")', "32"], "0"),
    event("mount_setattr", ["3", '"a"', "0", "{.attr_set = evil()}", "32"], "0"),
    event("statx", ["3", '"a"', "0", "2047"], '{"mode": '),
    event("list_directory", ['"a"'], "evil"),
    event("list_directory", ['"a"'], "7"),
    event("setgroups", ["1", "{1, evil()}"], "0"),
    event("evil", [], "0"),
    event("read_file", ['"a"', '"b"'], ""),
    event("getuid", [], "0", "nobody forked it"),
    ["main", "mnt:0"],
    7,
])
def test_what_is_no_trace_is_refused(wrong: Any) -> None:
    with pytest.raises(KsemError, match="the trace "):
        program([wrong])


@pytest.mark.parametrize("status", ["unsupported", "broken", "lost"])
def test_what_was_not_observed_cannot_be_reproduced(status: str) -> None:
    with pytest.raises(KsemError, match=rf"area.thing is {status} on here: no such thing: there is nothing"):
        repro.program(made.behaviour(made.case()), made.cell(None, status=status, reason="no such thing\nTraceback"),
                      made.evidence("here", "6.1"))


def test_processes_of_one_name_are_told_apart(tmp_path: Path) -> None:
    trace = [event("fork", [], "<child>"), event("chdir", ['"/"'], "0", "child"), event("fork", [], "<child>", "child"),
             event("open", ['"/"', "O_PATH", "0000"], "3", "child"), event("open", ['"/proc/<child>/"', "O_PATH", "0000"], "3")]
    text = program(trace)
    assert "CHILD(child, child_2, fork());" in text
    assert "PID(child_2)" in text
    assert run(text, tmp_path).returncode == 0


# What a kind takes where none of 0, "", [] and {} will do.
GIVEN = {"Pid": "self", "MountRequest": {"mount": "/"}, "_SentCredentials": {"uid": 0, "gid": 0}, "AttributesToSet": "x",
         "Times": [1, 2], "HandedOver": "openat"}


def given(kind: Kind) -> Any:
    """Something that an argument of this kind can be, as a case would give it."""
    candidates: list[Any] = [GIVEN.get(type(kind).__name__, 0), "", [], {}]
    for value in candidates:
        try:
            kind.show(value)
        except (TypeError, AttributeError, ValueError, KeyError):
            continue
        return value
    raise AssertionError(f"say in GIVEN what a {type(kind).__name__} takes")


def every_call() -> Trace:
    events = [["main", "mnt:0 user:0", call, [given(kind) for _, kind in signature.arguments if kind.given], None, "ENOSYS"]
              for call, signature in SIGNATURES.items()]
    return list(spelled(events, {}))


@pytest.mark.parametrize("options", [(), ("-O2",)])
def test_every_system_call_can_be_made(tmp_path: Path, options: tuple[str, ...]) -> None:
    """All in one program: whoever adds one to SIGNATURES sees here what it needs, which is mostly nothing."""
    text = program(every_call())
    assert text.count("ENOSYS);") == len(SIGNATURES)
    compiled(text, tmp_path, *options)


def test_headers_may_be_older_than_any_of_it(tmp_path: Path) -> None:
    """As if they knew no number of a system call from 5.2 on, and no constant that an old libc has not."""
    young = [name for name in arguments.CONSTANTS if parts.is_young(name)]
    undefined = [*young, *(f"SYS_{call}" for call in NUMBERS if NUMBERS[call] >= 424), "SYS_statx"]
    uses = f"void use_all(void)\n{{\n    long all[] = {{ {', '.join(young)} }};\n    (void)all;\n}}\n"
    lines = program(every_call()).splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith("#include"))
    changed = [*lines[:last + 1], *(f"#undef {name}" for name in undefined), *parts.constants(uses), uses, *lines[last + 1:]]
    assert len(young) > 50
    compiled("\n".join(changed), tmp_path)


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_can_be_read(reader: str) -> None:
    assert parts.exists(reader), f"ksem/repro/c/{reader}.c is to define {reader}()"


def test_no_part_is_left_over(tmp_path: Path) -> None:
    """What neither a call, a reader, a need nor the frame includes."""
    frame = {"frame", "main", "child", "ends_at_once", "empty", "with", "is_there", "keep", "write_kept"}
    required = {f"require_{name}" for name in ("root", "alone", "ordinary_user", "userns", "filesystem", "disk", "syscall",
                                             "command")}
    included = {part for name in parts.names() for part in parts.included(name)}
    assert set(parts.names()) - included - set(SIGNATURES) - set(READERS) - frame - required == set()


@pytest.mark.parametrize("name", parts.names())
def test_a_part_is_for_mails(name: str) -> None:
    text = parts.text(name)
    assert text.isascii()
    assert "\t" not in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_what_is_the_machines_own_is_shown_and_not_compared(tmp_path: Path) -> None:
    """A name that the trace makes is compared, and whether there are others."""
    trace = [event("mkdir", ['"/no such directory/made"', "0755"], "ENOENT"),
             event("list_directory", ['"/"'], json.dumps(["elsewhere", "initramfs"])),
             event("list_directory", ['"/"'], json.dumps(["initramfs", "made"])),
             event("list_directory", ['"/"'], "[]"),
             event("read_file", ['"/proc/self/mountinfo"'], "1 2 3")]
    said = run(program(trace), tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in said[:5]] == ["same", "same", "DIFFERS", "DIFFERS", "same"]
    assert said[1].endswith('list_known("/", "/made/no such directory/") = [...]')
    assert said[2].endswith('= [...], expected ["made", ...]')


def test_a_pointer_to_nowhere_is_no_warning(tmp_path: Path) -> None:
    trace = [event(call, ["NULL", *more], "EFAULT") for call, more in (
        ("chown", ["0", "0"]), ("chmod", ["0755"]), ("open", ["0", "0000"]), ("chdir", []), ("rename", ['"/no such file"']))]
    assert run(program(trace), tmp_path, "-O2").returncode == 0


def test_an_errno_that_no_case_has_met_is_a_number(tmp_path: Path) -> None:
    changed = [*PLAIN, event("chdir", ['"/no such directory"'], "ENOMEDIUM")]
    assert run(program(changed), tmp_path).stdout.splitlines()[4].endswith(" = ENOENT, expected errno 123")


def test_a_limit_of_the_machine_is_kept_and_written_back(tmp_path: Path) -> None:
    """It follows from the machine's memory: what is written is what was read, not what another machine had."""
    limit = '"/proc/sys/user/max_user_namespaces"'
    trace = [event("read_file", [limit], "758\n"), event("write_file", [limit, Text().show("758\n")], "4"),
             event("write_file", ['"/proc/sys/user/no such limit"', Text().show("758\n")], "ENOENT")]
    text = program(trace)
    assert f"write_kept({limit}), 0);" in text
    compiled(text, tmp_path)
    inside = [[process, where.replace("user:0", "user:1"), *rest] for process, where, *rest in trace]
    assert f"write_file({limit}," in program(inside)


def test_what_changes_the_whole_machine_wants_to_be_told(tmp_path: Path) -> None:
    path = compiled(program(PLAIN, needs=("alone",)), tmp_path)
    refused = subprocess.run([path], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (125, "")
    assert 'tell it "alone"' in refused.stderr
    assert subprocess.run([path, "alone"], capture_output=True, check=False).returncode == 0
