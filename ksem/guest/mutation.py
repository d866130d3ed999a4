"""Runs a case with one of its calls not made, or with another result than it had: whether the case notices.

Contract: the standard library and ksem.guest. A request may have a `mutant`: {"drop": [number]} or {"flip": [number]}, each the
number of a call that the case makes, from 0; {} only has them told. What is dropped is not made, and is answered as if it had
succeeded and had nothing to say. What is flipped is made, and the case gets to see the opposite: a failure for a success
(EPERM, or what "flip to ERRNO" says) and the other way round, or other data where it must succeed. Calls that the lab makes
before `observe` begins are no part of it: they are what keeps a run off the machine, and off the others.
"""

import sys
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ksem.guest import process, readers, syscalls
from ksem.guest.executor import Outcome
from ksem.guest.lab import MOUNT_FLAGS
from ksem.guest.trace import Trace

# Readers that are there for what they do, not for what they tell.
_DOING = frozenset((
    "write_file", "write_program", "write_mapped", "map_file", "store_mapped", "map_executable", "raise_ambient", "tick"))
_FILLING = frozenset(name for name, signature in syscalls.SIGNATURES.items()
                     if any(kind.output for _, kind in signature.arguments))
# What tells something is a reader, fills in a buffer, or takes nothing (getuid).
TELLING = frozenset(readers.READERS) - _DOING | _FILLING | {"fcntl"} | frozenset(
    name for name, signature in syscalls.SIGNATURES.items() if not signature.arguments)
# What gives a descriptor, and one that nobody has: 0 would be a file.
_OPENING = frozenset((
    "open openat openat2 socket accept4 open_tree open_tree_attr fsopen fsmount fspick memfd_create pidfd_open pidfd_getfd "
    "landlock_create_ruleset fanotify_init seccomp").split())
CLOSED = 239
_OPPOSITE = {"ro": "rw", "rw": "ro", "private": "shared", "shared": "private", "file": "directory", "directory": "file"}


class Site(NamedTuple):
    """Where in its source a case has a call made.

    lines: of the case, the innermost first. helper: the functions of ksem.guest that it called for that, or "". frame: what
    tells one call of the helper from the next.
    """

    lines: Tuple[int, ...]
    helper: str
    frame: Any


class Mutating(process.Bench):
    """A bench that numbers a case's calls, and makes some of them otherwise."""

    def __init__(self, trace: Trace, mutant: Dict[str, List[int]]) -> None:
        super().__init__(trace)
        self._survey = not mutant
        self._dropped = frozenset(mutant.get("drop", ()))
        # By what a success becomes.
        self._flipped = {number: how.partition(" to ")[2] or "EPERM" for how, numbers in mutant.items() if how != "drop"
                         for number in numbers}
        self._sites: List[Tuple[str, bool, Optional[Site]]] = []
        self._number = 0

    def add(self, process: process.Process, call: str, given: List[Any], must: bool) -> List[Outcome]:
        """See Bench."""
        made = super().add(process, call, given, must)
        site = _site(sys._getframe(1))
        self._sites.append((call, must, site))
        if site is None:
            return made
        number, self._number = self._number, self._number + 1
        # What was added last is what waits last.
        if number in self._dropped:
            self._drop(call, given, must)
        elif number in self._flipped:
            self._flip(call, given, must, self._flipped[number])
        return made

    def _drop(self, call: str, given: List[Any], must: bool) -> None:
        outcome = self._waiting[-1][3]
        self._calls[-1] = ((), must)
        # The child that a fork promises is a process that nobody will find.
        value = outcome((0,))[0] if call == process.FORK or call in process.CLONES else _nothing(call)
        self._waiting[-1] = (call, given, must, lambda _: (value, None))

    def _flip(self, call: str, given: List[Any], must: bool, failure: str) -> None:
        outcome = self._waiting[-1][3]

        def flipped(results: Sequence[int]) -> Outcome:
            value, error = outcome(results)
            if must:
                return _other(value), error
            return (None, failure) if error is None else (_nothing(call), None)

        self._waiting[-1] = (call, given, must, flipped)

    def told(self) -> Dict[str, Any]:
        """See Bench. Of a mutant nothing, else each call of the case too.

        [number of its event, of which helper's call it is, whether it must succeed, whether it tells something, lines, helper].
        """
        return dict(super().told(), calls=self._calls_made()) if self._survey else {}

    def _calls_made(self) -> List[List[Any]]:
        found: List[List[Any]] = []
        event = unit = 0
        last: Any = None
        events = self.trace.events
        for call, must, site in self._sites:
            if site is not None:
                unit += site.frame is None or site.frame is not last
                last = site.frame
                found.append([event, unit, must, call in TELLING, "<".join(map(str, site.lines)), site.helper])
            # What could be opened was closed again.
            event += 2 if call == process.TRY_OPEN and event < len(events) and events[event][5] is None else 1
        return found


def _site(frame: Any) -> Optional[Site]:
    """The site of the call that is added from a frame; None for one that no case asked for."""
    lines: List[int] = []
    helpers: List[str] = []
    outermost = None
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("cases."):
            lines.append(frame.f_lineno)
        elif not lines and module != process.__name__:
            helpers.append("%s.%s" % (module.rpartition(".")[2], frame.f_code.co_name))
            outermost = frame
        frame = frame.f_back
    return Site(tuple(lines), "<".join(helpers), outermost) if lines else None


def _nothing(call: str) -> Any:
    """What a call gives that succeeded and has nothing to say."""
    if call in _OPENING:
        return CLOSED
    return None if call in _FILLING or call in readers.READERS else 0


def _other(value: Any) -> Any:
    """Data of the same shape, none of which is the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        # No bit of a mask stays, and root is somebody else.
        return 0 if value else 0x7FFFFFFF
    if isinstance(value, str):
        # A number that is not 0 becomes what is asked for most.
        return "0\n" if value.strip("0\n").isdigit() else _OPPOSITE.get(value, value + "?")
    if isinstance(value, dict):
        return {name: _other(one) for name, one in value.items()} or {"?": "?"}
    if isinstance(value, list):
        # Of a mount's flags, those that it has not: whoever looks for one finds it, and whoever does not, too.
        words = [word for word in MOUNT_FLAGS if word not in value] if "rw" in value or "ro" in value else ["?"]
        return [_other(one) for one in value if one not in MOUNT_FLAGS] + words
    return "?"
