"""Whether a case would notice: each of its calls not made, and each result that it reads flipped.

Contract: pure but for the runs that it is given; `model` and `strace`.

A call that must succeed, and gives nothing else, is dropped: if that changes nothing, it is idle. Of one whose outcome is what
the case wants to know, and of data that it reads, the result is flipped. Where nobody looks at that, but the call has an effect
(read(2) moves the time of access), it survives only if it may be dropped too. Where a call's outcome is looked at, and nothing
else tells whether it did anything, the case takes the kernel at its word: that is counted, and no survivor.

No questions are asked of `close` and of a wait for the clock, and of what comes after the last result that a case reads: its
clean-up, and what must succeed there breaks the case where it does not. A helper (lab.file, lab.become) is one step of a case,
made of several calls, and is dropped as a whole; each of those calls by itself is a matter of the helper, and survives where no
case notices it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from ksem.model import Answer, Call, Mutant
from ksem.strace import Event, called, failed, spelled

# One run of a cell with a mutant and a deadline; None if it took the machine down.
Run = Callable[[Mutant, float | None], Answer | None]
# Whether nobody notices that these calls are not made (DROP) or that their results are flipped (FLIP).
Survives = Callable[[str, Iterable[int]], bool]
DROP, FLIP, WORD = "drop", "flip", "at its word"
# What else a success is flipped to.
_OTHERS = ("EROFS", "ENOENT")
# Descriptors that nobody needs any more, and what is no call.
_UNASKED = ("close", "tick")
# What tells something, and does something too: moves an access time, takes out of a queue, runs a program.
_ACTING = frozenset((
    "read", "recvmsg", "read_file", "list_directory", "mount_events", "run_program", "run_capabilities", "run_command",
    "run_cloned", "supervised", "open_by_handle", "fcntl", "ioctl", "socketpair"))
# Seconds that a mutant may take, and how many times as long as what it is a mutant of.
_PATIENCE, _SLOWER = 2.0, 20


class Finding(NamedTuple):
    """What came of one question.

    place: the lines of the case, the innermost first, or the functions of a helper. site: which of a helper's calls it is, or
    "". call: as C would write it, or the helper's name. line: the same with process and result.
    """

    kind: str
    place: str
    site: str
    survived: bool
    call: str
    line: str

    @property
    def helper(self) -> bool:
        """Whether it is a question to a helper, and not to the case."""
        return bool(self.site)


class Measured(NamedTuple):
    """A cell: how many mutants were run, how many of those were noticed, and what came of each question.

    reason: why there is nothing, where the cell is not observed.
    """

    mutants: int = 0
    killed: int = 0
    findings: tuple[Finding, ...] = ()
    reason: str = ""

    @classmethod
    def of(cls, data: Sequence[Any]) -> Measured:
        """The same from what JSON leaves of it."""
        mutants, killed, findings, reason = data
        return cls(mutants, killed, tuple(Finding(*one) for one in findings), reason)


def measured(run: Run, renew: Callable[[], None], conforms: Callable[[Answer], bool], noticed: set[str]) -> Measured:
    """All mutants of a cell.

    renew: gives the next run another machine. conforms: whether an answer is as expected; one that is not may be due to what an
    earlier mutant has left behind. noticed: calls of helpers that somebody notices, by their sites: nobody is asked again.
    """
    start = time.monotonic()
    first = run({}, None)
    if first is None or not conforms(first):
        renew()
        start = time.monotonic()
        first = run({}, None)
    if first is None or first.status != "observed":
        return Measured(reason=f"{first.status}: {first.reason}" if first else "lost")
    asking = _Asking(run, renew, first, noticed, max(_PATIENCE, _SLOWER * (time.monotonic() - start)))
    found = asking.all()
    if not asking.sound():
        # Once more, and with a look after each of them: what one of them has left behind the next is not to meet.
        asking.careful = True
        renew()
        found = asking.all()
    noticed.update(one.site for one in found.findings if one.helper and not one.survived)
    return found


@dataclass
class _Asking:
    """Runs the mutants of a cell. first: what they are mutants of. deadline: in seconds."""

    run: Run
    renew: Callable[[], None]
    first: Answer
    noticed: set[str]
    deadline: float
    careful: bool = False

    def all(self) -> Measured:
        """Every one of them."""
        survived: list[bool] = []

        def survives(kind: str, numbers: Iterable[int]) -> bool:
            survived.append(_same(self.run({kind: tuple(numbers)}, self.deadline), self.first))
            if self.careful and not self.sound():
                self.renew()
            return survived[-1]

        trace = [json.loads(event) for event in self.first.trace]
        findings = tuple(examined(self.first.calls, trace, survives, self.noticed))
        return Measured(len(survived), survived.count(False), findings)

    def sound(self) -> bool:
        """Whether the case still sees the same."""
        return _same(self.run({}, None), self.first)


def _same(answer: Answer | None, other: Answer) -> bool:
    return answer is not None and (answer.status, answer.observation) == (other.status, other.observation)


def examined(calls: Sequence[Call], trace: Sequence[Event], survives: Survives,
             noticed: Collection[str] = ()) -> Iterator[Finding]:
    """What comes of the questions to the calls of a cell."""
    last = max((number for number, call in enumerate(calls) if _reads(call)), default=-1)
    for _, members in groupby(range(last + 1), key=lambda number: calls[number].unit):
        numbers = list(members)
        found = _Found(calls, trace, calls[numbers[0]].lines, survives, noticed)
        if len(numbers) == 1:
            yield from found.alone(numbers[0])
        else:
            yield from found.together(numbers)


def _reads(call: Call) -> bool:
    return call.tells or not call.must


@dataclass
class _Found:
    """Asks the questions to one step of a case."""

    calls: Sequence[Call]
    trace: Sequence[Event]
    place: str
    survives: Survives
    noticed: Collection[str]

    def alone(self, number: int) -> Iterator[Finding]:
        call, event = self.calls[number], self.trace[self.calls[number].event]
        if event[2] in _UNASKED:
            return
        if not _reads(call):
            yield self._finding(DROP, number, self.survives(DROP, [number]))
            return
        flipped = self.survives(FLIP, [number])
        if not call.must and not failed(event):
            # A case may look for one errno alone.
            flipped = flipped and all(self.survives(f"{FLIP} to {errno}", [number]) for errno in _OTHERS)
        if call.must:
            yield self._finding(FLIP, number, flipped and (event[2] not in _ACTING or self.survives(DROP, [number])))
            return
        dropped = not failed(event) and self.survives(DROP, [number])
        yield self._finding(FLIP, number, flipped and (dropped or failed(event)))
        yield self._finding(WORD, number, dropped and not flipped)

    def together(self, numbers: Sequence[int]) -> Iterator[Finding]:
        """A helper's: as one step, and each of its calls."""
        whole = self._finding(DROP, numbers[0], self.survives(DROP, numbers))
        name = _name(self.calls[numbers[0]].helper)
        yield whole._replace(call=name, line=f"all {len(numbers)} calls of {name}, the first {whole.line}")
        seen: Counter[str] = Counter()
        for number in numbers:
            call, event = self.calls[number], self.trace[self.calls[number].event]
            if event[2] in _UNASKED:
                continue
            seen[event[2]] += 1
            if _reads(call):
                yield self._finding(FLIP, number, self.survives(FLIP, [number]))
            site = f"{call.helper} {event[2]} {seen[event[2]]}"
            if site not in self.noticed:
                part = self._finding(DROP, number, whole.survived or self.survives(DROP, [number]))
                yield part._replace(place=call.helper, site=site)

    def _finding(self, kind: str, number: int, survived: bool) -> Finding:
        event = self.trace[self.calls[number].event]
        return Finding(kind, self.place, "", survived, called(event), f"{event[0]}: {spelled(event)}")


def _name(helper: str) -> str:
    """The outermost function: what the case calls."""
    return helper.rpartition("<")[2]
