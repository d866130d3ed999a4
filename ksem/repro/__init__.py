"""A trace as a standalone C program, which shows on any kernel whether it does what a column did.

Contract: `catalog`, `model`, `disks` (how one is made) and `ksem.guest`; a pure function of its arguments. The program needs
nothing but libc, compiles without warnings as gnu11, and is ASCII of at most 72 columns where a literal allows it. It makes the
calls of the trace in their order, in the same processes and namespaces, and prints a line for each result. Its exit status is
0 when all are those of the trace, 1 when any is not, and 125 where it cannot be run, which git bisect takes for untestable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from ksem.catalog import Behaviour
from ksem.disks import RECIPES
from ksem.guest import disks
from ksem.guest.case import needs_of
from ksem.guest.numbers import NUMBERS
from ksem.model import Cell, Evidence, KsemError
from ksem.repro import parts
from ksem.repro.arguments import IDS, names
from ksem.repro.literals import comment, encoded, literal, plain, statement
from ksem.repro.steps import Steps, steps


def program(behaviour: Behaviour, cell: Cell, evidence: Evidence) -> str:
    """The C program for a cell of a column. Raises KsemError for one that holds no trace."""
    if cell.status != "observed" or not cell.trace:
        reason = f": {cell.reason.splitlines()[0]:.300}" if cell.reason.strip() else ""
        raise KsemError(f"{cell.case} is {cell.status} on {evidence.column}{reason}: there is nothing to reproduce")
    made = steps(cell.trace, str(evidence.environment.get("caller", "root")))
    requirements = list(_requirements(behaviour, cell, made.caller))
    body = "\n".join(made.lines)
    needed = parts.needed("\n".join([body, *requirements]))
    headers, texts = parts.gathered([*needed, "frame"])
    end_headers, end_texts = parts.gathered(["main"])
    wrappers = [call for call in sorted(NUMBERS) if f"sys_{call}(" in body and not parts.exists(call)]
    numbers = sorted({*wrappers, *(call for call in NUMBERS if f"SYS_{call}," in "".join(requirements))})
    includes = sorted(parts.HEADERS | headers | end_headers)
    sections = [
        comment(_paragraphs(behaviour, cell, evidence, made)),
        "\n".join(["#define _GNU_SOURCE", *(f"#include <{one}>" for one in includes)]),
        "\n".join([*parts.constants(body), *(parts.number(call) for call in numbers)]),
        _names(made, evidence),
        *texts,
        *map(parts.wrapper, wrappers),
        _function("require", requirements, "Whether it can be run here at all."),
        _function("steps", made.lines, "The calls, in their order, and what they gave."),
        *(one for one in end_texts if one not in texts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _requirements(behaviour: Behaviour, cell: Cell, caller: str) -> Iterable[str]:
    """Statements that end the program where it would say nothing of the kernel's behaviour."""
    yield f"    require_{'root' if caller == 'root' else 'ordinary_user'}();"
    for need in needs_of(behaviour.case, dict(cell.params)):
        kind, _, name = need.partition(":")
        if kind in ("alone", "userns"):
            yield f"    require_{kind}();"
        elif kind == "syscall":
            yield f'    require_syscall(SYS_{name}, "{name}");'
        elif kind == "fs":
            yield f"    require_filesystem({literal(name.encode())});"
            if name in disks.FILESYSTEMS:
                yield f"    require_disk({literal(disks.device(name).encode())});"
    commands = (names(arguments[0]) for _, _, call, arguments, _ in cell.trace if call == "run_command")
    for program in sorted({words[0] for words in commands if words}):
        yield f"    require_command({literal(encoded(program))});"


def _names(made: Steps, evidence: Evidence) -> str:
    """The constants that differ from program to program."""
    ids = ", ".join(f"{name} = {value}" for name, value in IDS.items())
    processes = ", ".join([*(f"P_{name}" for name in made.processes), "PROCESSES"])
    names = ", ".join(literal(plain(name).encode()) for name in made.processes.values())
    return "\n".join([
        "/* Ids that nobody has. */",
        statement(f"enum {{ {ids} }};", 0),
        "",
        statement(f"enum {{ {processes} }};", 0),
        statement(f"static const char *const names[] = {{ {names} }};", 0),
        f"#define SEEN_ON {literal(_seen_on(evidence).encode())}",
        f"#define RESULTS {made.results}",
    ])


def _function(name: str, lines: Iterable[str], remark: str) -> str:
    return "\n".join([f"/* {remark} */", f"static void {name}(void)", "{", *lines, "}"])


def _seen_on(evidence: Evidence) -> str:
    """A column and what it ran: `debian-6.12 (Linux 6.12.117)`."""
    return plain(f"{evidence.column} (Linux {evidence.release})")


def _paragraphs(behaviour: Behaviour, cell: Cell, evidence: Evidence, made: Steps) -> Iterable[str]:
    """What a reader must know who has nothing but the program."""
    yield f"{behaviour.name}: {behaviour.case.claim}"
    if cell.params:
        yield "With " + ", ".join(f"{name} = {value}" for name, value in cell.params.items()) + "."
    yield f"Stated in {'; '.join(behaviour.case.cites)}."
    yield f"As seen on {_seen_on(evidence)}, {_kernel(evidence)}:"
    yield "  " + json.dumps(cell.observation, sort_keys=True)
    name = re.sub(r"[^A-Za-z0-9_]", "_", behaviour.name.rpartition(".")[2])
    yield from _settings(behaviour, evidence)
    yield f"To compile it: cc -std=gnu11 -o {name} {name}.c"
    if _is_alone(behaviour, cell):
        yield "It changes settings of the whole machine, so that it wants one of its own."
    yield (f"To run it, as {'root' if made.caller == 'root' else 'an ordinary user'}: ./{name}"
           f"{' alone' if _is_alone(behaviour, cell) else ''}")
    yield from _disks(cell)
    yield ("The program makes the system calls of that run in the same order, by the same processes, in mount namespaces of its"
           " own, and prints a line for each. It ends with 0 if all results are those of"
           f" {_seen_on(evidence)}, with 1 if any is not, and with 125 where it cannot be run.")


def _is_alone(behaviour: Behaviour, cell: Cell) -> bool:
    return "alone" in needs_of(behaviour.case, dict(cell.params))


def _kernel(evidence: Evidence) -> str:
    told = evidence.environment
    parts_of_it = [told.get("version"), told.get("architecture"), told.get("os")]
    return ", ".join(str(one) for one in parts_of_it if one)


def _settings(behaviour: Behaviour, evidence: Evidence) -> Iterable[str]:
    """What shaped the answers beside the kernel: whoever sees others should look there first."""
    told = evidence.environment
    found: dict[str, object] = {"lsm": told.get("lsm")}
    for settings in (told.get("sysctl"), told.get("options")):
        found |= settings if isinstance(settings, dict) else {}
    known = [f"{name} = {value}" for name, value in found.items()
             if value is not None and (not name.startswith("CONFIG_") or name in behaviour.case.options)]
    if known:
        yield f"Settings there: {', '.join(known)}."


def _disks(cell: Cell) -> Iterable[str]:
    """How to make the disks that the trace mounts; whatever is on them is removed."""
    for name, recipe in RECIPES.items():
        if any(event[2] == "mount" and f'"{disks.device(name)}"' in event[3] for event in cell.trace):
            yield f"It needs a disk with {name} as {disks.device(name)}, and removes all that is on it. To make one:"
            yield f"  truncate -s {recipe.size}M disk.img"
            yield f"  {' '.join(recipe.command)} disk.img"
            yield f"  ln -s $(losetup --find --show disk.img) {disks.device(name)}"
