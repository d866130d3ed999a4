"""A trace as steps in C, one a call, in its order.

Contract: `arguments`, `literals`, `model` and the data of `ksem.guest`. An event is [process, namespaces, call,
[spelled argument, ...], result] (ksem.guest.trace); a step is `CALL(process, call(argument, ...), result);`. A call is C's own
function, or one of `parts` or of a signature that is named `sys_NAME`; a reader has its own name.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ksem.guest import disks, flags
from ksem.guest.numbers import NUMBERS
from ksem.guest.readers import READERS
from ksem.guest.structures import Text
from ksem.guest.syscalls import SIGNATURES
from ksem.model import KsemError
from ksem.repro import arguments, parts
from ksem.repro.literals import encoded, literal, plain, statement, unspelled

# From this number on, and of those below these, a libc may not have a function.
_YOUNG = 424
_NOT_OF_LIBC = frozenset(["copy_file_range", "execveat", "memfd_create", "pivot_root", "renameat2"])
# What such files say differs from machine to machine.
_MACHINES_OWN = (b"/mountinfo", b"/mounts")
# What an ordinary user's first process writes first: its own id there, another's here.
_OWN_MAPS = {'"/proc/self/uid_map"': "caller_uid", '"/proc/self/gid_map"': "caller_gid"}
# Calls whose value is a process, `<name>`, if it is one that makes calls of its own.
_BEARING = frozenset(["clone", "clone3", "fork"])
_CHILD = re.compile(r"<(.*)>", re.DOTALL)
_LIMIT = re.compile(r'"/proc/sys/user/max_\w+"', re.ASCII)
_ERRNO_NUMBERS = {name: number for number, name in flags.ERRNO.items()}
_MAKING = frozenset(["bind", "link", "linkat", "mkdir", "mkdirat", "mknod", "rename", "symlink"])
_DEVICES = {f'"{disks.device(name)}"' for name in disks.FILESYSTEMS}


class Event(NamedTuple):
    """One call, as ksem.guest.trace spells it."""

    process: str
    where: str
    call: str
    spelled: list[str]
    result: str


@dataclass
class Steps:
    """What a trace came to: lines of C, how many results they compare, and the processes' names by their identifiers.

    caller: whose the case's first process is, root's or an ordinary user's. known: names of files that the trace makes.
    """

    caller: str
    known: frozenset[str]
    lines: list[str] = field(default_factory=list)
    results: int = 0
    processes: dict[str, str] = field(default_factory=dict)
    # Of two processes with one name the later is meant.
    current: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    callers_ids: dict[str, str] = field(default_factory=lambda: dict(_OWN_MAPS))
    # What a process has read of the machine's settings, which it may write back.
    kept: dict[tuple[str, str], str] = field(default_factory=dict)


def steps(trace: Iterable[Any], caller: str) -> Steps:
    """The steps of a trace. Raises KsemError for an event that no C can be made of."""
    try:
        events = [Event(str(process), str(where), str(call), [str(one) for one in spelled], str(result))
                  for process, where, call, spelled, result in trace]
    except (TypeError, ValueError):
        raise KsemError("the trace holds an event that is none: restore the results from version control") from None
    made = Steps(caller, frozenset(name for event in events for name in _made_by(event) if name))
    _name(made, "main")
    for event in events:
        _add(made, event)
    return made


def _made_by(event: Event) -> Iterable[str]:
    """The names that a call makes, or would: what else there is in a directory is the machine's."""
    if event.call in _MAKING or "O_CREAT" in "|".join(event.spelled):
        for text in event.spelled:
            # An address of a socket has a string in it.
            for path in re.findall(arguments.STRING, text):
                yield from unspelled(path).decode("utf-8", "surrogateescape").split("/")


def _add(made: Steps, event: Event) -> None:
    if event.process not in made.current:
        raise KsemError(f"the trace has a process {event.process!r:.80} that nobody forked: run the case again")
    if event.call in READERS and not _is_complete(event):
        raise arguments.unknown(event.call, ", ".join(event.spelled))
    who = made.current[event.process]
    if made.told.get(who) != event.where:
        made.told[who] = event.where
        made.lines.append(f"    /* {plain(event.process)}: {plain(event.where)} */")
    made.results += 1
    child = _CHILD.fullmatch(event.result) if event.call in _BEARING else None
    if child:
        code = "fork()" if event.call == "fork" else _call(made, event)
        made.lines.append(statement(f"CHILD({who}, {_name(made, child.group(1))}, {code});"))
        return
    code, expected = _settings(made, event) or _compared(made, event)
    made.lines.append(statement(f"CALL({who}, {code}, {expected});"))
    if event.call == "mount" and event.result == "0" and event.spelled[0] in _DEVICES:
        made.lines.append(statement(f"EMPTY({who}, {arguments.word(event.call, '', event.spelled[1], made.current)});"))


def _name(made: Steps, process: str) -> str:
    word = re.sub(r"\W", "_", process, flags=re.ASCII) or "_"
    name, number = word, 1
    while name in made.processes:
        number += 1
        name = f"{word}_{number}"
    made.processes[name] = process
    made.current[process] = name
    return name


def _settings(made: Steps, event: Event) -> tuple[str, str] | None:
    """Limits of the machine's own, which follow from its memory: kept to be written back, and not compared."""
    if event.call not in ("read_file", "write_file") or not event.spelled or event.result in arguments.ERRNOS:
        return None
    path, place = event.spelled[0], (event.process, event.spelled[0])
    if event.call == "read_file" and _LIMIT.fullmatch(path) and "user:0" in event.where.split():
        made.kept[place] = event.result
        return f"keep({path})", "some"
    if event.call == "write_file" and made.kept.get(place) == unspelled(event.spelled[1]).decode("utf-8", "replace"):
        return f"write_kept({path})", "0"
    return None


def _compared(made: Steps, event: Event) -> tuple[str, str]:
    """A call and what it is to give; where that is the machine's own, as much of it as a case can know."""
    call, spelled, result = event.call, event.spelled, event.result
    code = _call(made, event)
    if call in _BEARING:
        code = f"ends_at_once({code})"
    if result in arguments.ERRNOS:
        # As the part says it: of what no case has met the number.
        is_named = f"NAME({result})" in parts.text("error_name")
        return code, result if is_named else f"errno {_ERRNO_NUMBERS[result]}"
    if call == "mount_points" or (call == "read_file" and unspelled(spelled[0]).endswith(_MACHINES_OWN)):
        return f"is_there({code})", "some"
    if call == "list_directory":
        names = arguments.names(result)
        own = [literal(encoded(name)) for name in names if name in made.known]
        if len(own) < len(names):
            known = literal(encoded("/".join(["", *sorted(made.known), ""])))
            code = f"{code.replace('list_directory', 'list_known', 1)[:-1]}, {known})"
            return code, arguments.listed([*own, "..."])
    return code, arguments.result(call, result)


def _call(made: Steps, event: Event) -> str:
    call, spelled = event.call, event.spelled
    if call in READERS:
        return _reading(made, call, spelled)
    if call not in SIGNATURES:
        raise arguments.unknown(call, ", ".join(spelled))
    named = [(kind, arguments.argument(call, name, kind, text, made.current))
             for name, kind, text in arguments.paired(call, spelled)]
    # A libc declares that it is given no NULL for a string, but for mount's.
    null = call != "mount" and any(text == "NULL" for kind, text in named if isinstance(kind, Text))
    if is_of_libc(call) and not null:
        return f"{call}({', '.join(text for _, text in named)})"
    return f"sys_{call}({', '.join(text for kind, text in named if kind.given)})"


def _reading(made: Steps, call: str, spelled: list[str]) -> str:
    # The first parameter is the process.
    parameters = _parameters(call)
    if call == "write_file" and made.caller != "root" and spelled[0] in made.callers_ids:
        return f'write_file({spelled[0]}, with("0 %d 1\\n", {made.callers_ids.pop(spelled[0])}))'
    defaults = [json.dumps(one.default) for one in parameters[len(spelled):]]
    words = [arguments.word(call, one.name, text, made.current)
             for one, text in zip(parameters, [*spelled, *defaults], strict=True)]
    return f"{call}({', '.join(words)})"


def _parameters(call: str) -> list[inspect.Parameter]:
    """Those of a reader that a trace spells: the first one is the process."""
    return list(inspect.signature(READERS[call]).parameters.values())[1:]


def _is_complete(event: Event) -> bool:
    """Whether a reader was given all that it needs, and no more."""
    parameters = _parameters(event.call)
    needed = sum(one.default is one.empty for one in parameters)
    return needed <= len(event.spelled) <= len(parameters)


def is_of_libc(call: str) -> bool:
    """Whether a system call is made by libc's function of that name, as it is."""
    return not parts.exists(call) and NUMBERS[call] < _YOUNG and call not in _NOT_OF_LIBC
