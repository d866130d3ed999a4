"""A trace as text for people: strace-like lines, cut to a number of calls with a count of what was left out.

Contract: pure; `wrap` and the signatures of ksem.guest.syscalls. Events are those of ksem.guest.trace: process, namespaces,
call, arguments, result. What is no system call (a reader, as mountinfo) is marked with an arrow instead of an equals sign.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ksem.guest.syscalls import SIGNATURES
from ksem.wrap import ascii_only, escaped, fill

Event = Sequence[Any]
# What those of a call's arguments that are descriptors are of, by their places.
Origins = Mapping[int, str]
NOTHING: Origins = {}
_ERRNO = re.compile(r"E[A-Z0-9]+")
# Calls that prepare: where they succeed, they are the first to go.
_PREPARING = ("close", "umask", "prctl", "mkdir", "socket", "write_file")
# Calls that make what later ones are asked of.
_SHAPING = ("mount", "mount_setattr", "move_mount", "pivot_root", "setns", "unshare")
# Calls that give a descriptor, and how the names of arguments end that are some.
_OPENING = ("open", "openat", "openat2", "open_tree", "open_tree_attr", "fsopen", "fspick", "fsmount", "memfd_create", "socket",
            "accept4", "pidfd_open", "pidfd_getfd", "landlock_create_ruleset", "fanotify_init")
_DESCRIPTORS = ("fd", "fd_in", "fd_out", "ruleset")
# One that is not the caller's own, and calls whose result is a process.
_OF_ANOTHER, _FORKING = (("pidfd_getfd", "fd"),), ("fork", "clone", "clone3")
# Characters of a result that are shown: what a reader of whole files gives would fill a page.
_RESULT = 200
_DECIMAL = re.compile(r"[0-9]{1,10}")
# A text among the arguments: 64 characters, and the others, which are too many to show. An escape is one.
_CHARACTER = r'(?:\\[0-7]{3}|\\[^0-7]|[^"\\])'
_TEXT = re.compile(f'"({_CHARACTER}{{0,64}})({_CHARACTER}*)"')


def spelled(event: Event, origins: Origins = NOTHING) -> str:
    """One call with its result."""
    return f"{called(event, origins)} {'=' if event[2] in SIGNATURES else '->'} {_answer(event)}"


def called(event: Event, origins: Origins = NOTHING) -> str:
    """The same without its result; of a long text as much as tells what it is, and an ellipsis, as strace has it."""
    given = [_TEXT.sub(lambda text: f'"{text[1]}"...' if text[2] else text[0], str(one)) for one in event[3]]
    named = [f"{one}<{origins[place]}>" if place in origins else one for place, one in enumerate(given)]
    return f"{event[2]}({', '.join(named)})"


def _answer(event: Event) -> str:
    """What a call gave."""
    # As it is to be shown, so that it is cut at the same place wherever it is.
    result = escaped(str(event[4]), keep="\n")
    if len(result) > _RESULT:
        return f"{result[:_RESULT]}... ({len(result) - _RESULT} more characters)"
    return f"-1 {result}" if event[2] in SIGNATURES and failed(event) else result


def failed(event: Event) -> bool:
    """Whether a call failed: its result is the name of an errno."""
    return bool(_ERRNO.fullmatch(str(event[4])))


def answers(events: Sequence[Event], others: Sequence[Event]) -> dict[int, str]:
    """What another kernel answered otherwise, by the number of the call, as far as it makes the same calls.

    The first that it does not make was `not made`; where it only goes on longer, nothing is to be noted.
    """
    found: dict[int, str] = {}
    for number, (process, _, call, arguments, result) in enumerate(events):
        if number == len(others) or [process, call, arguments] != [others[number][place] for place in (0, 2, 3)]:
            return {**found, number: "not made"}
        if result != others[number][4]:
            found[number] = _answer(others[number])
    return found


def cut(events: Sequence[Event], focus: int, room: int, telling: Collection[int] = ()) -> tuple[list[int], str]:
    """The numbers of at most so many calls, the one at `focus` among them, and what was left out in a few words.

    What prepares goes first, then, where there is far too much, what is about other files than the call in focus, then what is
    farthest before it. telling: other calls that show the same: of a table of files, half of the room has one for each, and
    a quarter the mounts and namespaces that were made before the one in focus.
    """
    if len(events) <= room:
        return list(range(len(events))), ""
    kept = [number for number, event in enumerate(events)
            if number == focus or failed(event) or not _prepares(event)]
    prepared = len(events) - len(kept)
    files = _files(events[focus])
    near = [number for number in kept if number == focus or _is_about(events[number], files)]
    beside: list[int] = []
    others = 0
    if files and len(kept) > 2 * room and len(near) < len(kept):
        # Of a table of files one line tells more than a piece of the table; for what room is left, what came right before.
        far = [number for number in kept if number not in near]
        made = [number for number in near if number < focus and events[number][2] in _SHAPING and not failed(events[number])]
        shaping = made[max(0, len(made) - room // 4):]
        near = [number for number in near if number not in shaping]
        beside = [*shaping, *_one_each(events, [number for number in far if number in telling])[:room // 2]]
        before = [number for number in far if number < focus and number not in beside]
        spare = before[max(0, len(before) - max(0, room - len(near) - len(beside))):]
        others, kept = len(far) - len(spare) - len(beside) + len(shaping), sorted([*near, *spare])
    room -= len(beside)
    start = max(0, min(kept.index(focus) - room * 2 // 3, len(kept) - room))
    window = kept[start:start + room]
    counts = [(prepared, "that prepare"), (others, "about other files"), (start, "before these"),
              (len(kept) - start - len(window), "after these")]
    return sorted([*beside, *window]), ", ".join(f"{count} {what}" for count, what in counts if count)


def _one_each(events: Sequence[Event], numbers: Iterable[int]) -> list[int]:
    """The first of some calls for each of the files that they are about."""
    found: dict[frozenset[str], int] = {}
    for number in numbers:
        found.setdefault(frozenset(_files(events[number])), number)
    return list(found.values())


def _files(event: Event) -> set[str]:
    """The texts among a call's arguments: mostly paths."""
    return {text for argument in event[3] for text in re.findall(r'"([^"]*)"', str(argument))}


def _is_about(event: Event, files: Collection[str]) -> bool:
    """Whether a call is about some files, or about what they are in, or about none at all."""
    mine = _files(event)
    return not mine or any(file == one or file.startswith(f"{one}/") for file in files for one in mine)


def _prepares(event: Event) -> bool:
    return event[2] in _PREPARING or (event[2] == "open" and "O_CREAT" in str(event[3]))


def descriptors(events: Sequence[Event]) -> list[dict[int, int]]:
    """For each call, which of its arguments are descriptors that the trace tells the origin of: the number of the call there.

    A process begins with its parent's.
    """
    held: dict[str, dict[str, int]] = {}
    found: list[dict[int, int]] = []
    for number, (process, _, call, arguments, result) in enumerate(events):
        mine, given = held.setdefault(process, {}), [str(value) for value in arguments]
        # What the kernel fills in is the result.
        names = [name for name, kind in SIGNATURES[call].arguments if not kind.output] if call in SIGNATURES else []
        found.append({place: mine[given[place]] for place, name in enumerate(names[:len(given)])
                      if name.endswith(_DESCRIPTORS) and given[place] in mine and (call, name) not in _OF_ANOTHER})
        if failed(events[number]):
            continue
        if call in _OPENING:
            mine[str(result)] = number
        elif call == "close":
            mine.pop("".join(given), None)
        elif call == "close_range" and len(given) == len(names) and "CLOEXEC" not in given[2]:
            first, last = map(_number, given[:2])
            held[process] = {one: opened for one, opened in mine.items() if not first <= _number(one) <= last}
        elif call in _FORKING and str(result).startswith("<"):
            held[str(result).strip("<>")] = dict(mine)
    return found


def _number(text: str) -> int:
    """A descriptor; -1 for what cannot be one, as a trace may be anybody's."""
    return int(text) if _DECIMAL.fullmatch(text) else -1


def origins(events: Sequence[Event], kept: Iterable[int]) -> dict[int, Origins]:
    """By number of some calls, what descriptors of theirs are of, as strace's option -y has it, where the call that opened them
    is not among them."""
    there = set(kept)
    found: dict[int, Origins] = {}
    for number, known in enumerate(descriptors(events)):
        names = {place: _name(events[one]) for place, one in known.items() if one not in there}
        if names and number in there:
            found[number] = names
    return found


def _name(event: Event) -> str:
    """What a call opened: its path, or as what."""
    return next((text[1:-1] for text in map(str, event[3]) if text.startswith('"')), str(event[2]))


def lines(events: Sequence[Event], kept: Iterable[int], notes: Mapping[int, str], width: int,
          named: Mapping[int, Origins]) -> list[str]:
    """Some of the calls, ASCII, wrapped to a width, with what is to be noted of them; a heading wherever another process or
    other namespaces come. named: what descriptors are of."""
    told, place = [], ("", "")
    for number in kept:
        event = events[number]
        if (event[0], event[1]) != place:
            place = event[0], event[1]
            told.append(fill(ascii_only(f"{event[0]}, in {event[1]}:"), width, "  ", "    "))
        call = ascii_only(spelled(event, named.get(number, NOTHING)))
        told.append(fill(call, width, "    ", "        ", "|", (") = -1 E", ") = ", ") -> ")))
        if number in notes:
            told.append(fill(ascii_only(f"({notes[number]})"), width, "        ", "         "))
    return told
