"""The host's end of an agent: what every backend gives out once its machine answers.

Contract: `model`, `lines`, `conversation` and `ksem.guest`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib.util
import marshal
import os
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ksem.guest
from ksem import lines, losses
from ksem.conversation import MARGIN, Conversation
from ksem.guest import wire
from ksem.guest.modules import PASSING
from ksem.guest.trace import LIMIT
from ksem.model import Answer, Call, KsemError, Lost, Mutant

GUEST = Path(ksem.guest.__file__).parent
# What the far side starts: in the machine, and beside us.
AGENT, DIRECTOR = "ksem.guest.agent", "ksem.guest.outside"
# What a machine starts with, and need not be sent.
STARTERS = ("__init__", "handover", "loader", "serial", "wire")
STATUSES = ("observed", "unsupported", "broken")
# Characters that a machine may say: in a reason or a traceback, in each of uname(2)'s texts, of all that surrounds it, and of
# what a case observed.
TEXT, UNAME, ENVIRONMENT, OBSERVATION = 20_000, 64, 100_000, 100_000


def guest_modules(compiled: bool) -> dict[str, str | list[str]]:
    """All of ksem.guest but what a machine starts with, as the loader takes it: texts, or code for this very Python."""
    paths = [path for path in sorted(GUEST.glob("*.py")) if path.stem not in STARTERS]
    return {f"ksem.guest.{path.stem}": [_code(path.read_text(), f"ksem/guest/{path.name}", False)] if compiled
            else path.read_text() for path in paths}


@functools.cache
def _code(text: str, filename: str, lines: bool) -> str:
    """A module's code as text (bytes as latin-1), without docstrings; without line numbers it is only half as long."""
    code = compile(text, filename, "exec", optimize=2)
    return marshal.dumps(code if lines else _without_lines(code)).decode("latin-1")


def _without_lines(code: types.CodeType) -> types.CodeType:
    constants = tuple(_without_lines(one) if isinstance(one, types.CodeType) else one for one in code.co_consts)
    # Entries of eight instructions without a position each (Objects/locations.md): with an empty table a traceback raises.
    table = bytes([0xFF]) * (len(code.co_code) // 16 + 1)
    return code.replace(co_linetable=table, co_consts=constants)


def _short(text: Any) -> str:
    """A text of the far side's, or as much of it as anybody wants to read."""
    return text if isinstance(text, str) and len(text) <= TEXT else f"{str(text)[:TEXT]}..."


def _call(events: int, event: int, unit: int, must: bool, tells: bool, where: str, helper: str) -> Call:
    """What the far side told of a call. Raises ValueError, TypeError where it is none of so many events."""
    if type(event) is not int or not 0 <= event < events:
        raise ValueError(f"no event {event!r:.80}")
    return Call(event, int(unit), bool(must), bool(tells), _short(where), _short(helper))


def _with_source(traceback: str, filename: str, text: str) -> str:
    """A traceback with the lines of a file that was sent as code, which the far side could not show; not with where we are."""
    traceback = traceback.replace(f"{GUEST}/", "ksem/guest/")
    lines = dict(enumerate(text.splitlines(), 1))
    # No file has a million lines, whatever the far side says.
    return re.sub(rf'^  File "{re.escape(filename)}", line (\d{{1,6}}), in .*$(?!\n    )',
                  lambda place: f"{place.group()}\n    {lines.get(int(place.group(1)), '').strip()}".rstrip(),
                  traceback, flags=re.MULTILINE)


def tail(log: Path, size: int = 65536) -> str:
    """The end of a log, which may be of any length: what a machine prints is its own affair."""
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read(size).decode("utf-8", "replace")


@dataclass(frozen=True)
class Request:
    """One run of a case (a dotted module name below `cases.`, and its text) with one parameter set; deadline in seconds.

    mutant: which of its calls are to be made otherwise, as ksem.guest.mutation says; {} to be told of the calls.
    """

    case: str
    source: str
    params: Mapping[str, Any]
    needs: tuple[str, ...]
    deadline: float
    mutant: Mutant | None = None

    @property
    def module(self) -> str:
        """What the far side imports."""
        return f"cases.{self.case}"

    @property
    def filename(self) -> str:
        """What its tracebacks call the text."""
        return self.module.replace(".", "/") + ".py"


class Machine:
    """A running kernel with an agent in it.

    console: reads the last lines of what the kernel printed, for the message of a loss. Cases are run by the agent itself until
    somebody else directs them (`directed_by`).
    """

    def __init__(self, channel: wire.Channel, console: Callable[[], str]) -> None:
        self._agent = Conversation(channel, console)
        self._sent: dict[str, str] = {}
        # Whether the agent runs this very Python, and so its code.
        self._same = False
        self._missing: dict[tuple[str, ...], str | None] = {}
        # A run that is under way, and what it is answered if that needs no run.
        self.ahead: Request | None = None
        self._known: dict[str, Any] | None = None
        # What environment() answered when the machine was saved: to ask takes an emulated one as long as a case does.
        self.surroundings: dict[str, Any] | None = None
        # What befell its director, where that is not the machine's doing.
        self.director: Callable[[], str] = str
        # Disks by the names of their filesystems, and what plugs them in.
        self._disks: list[str] = []
        self._plug: Callable[[Collection[str]], None] = lambda names: None

    def start(self, deadline: float) -> None:
        """Wait until the far side is there, send it the agent and see it start."""
        self.starting(deadline)()

    def starting(self, deadline: float, beside: bool = False) -> Callable[[], None]:
        """The same, up to where it is sent: what this gives sees it start. beside: the far side has all that we have."""
        greeting = self._agent.receive(deadline, "the kernel did not answer")
        if greeting.get("ready") != wire.PROTOCOL:
            raise KsemError(f"the far side speaks protocol {greeting.get('ready')!r:.20}, ksem {wire.PROTOCOL}: start it anew")
        self._same = greeting.get("magic") == importlib.util.MAGIC_NUMBER.hex()
        return self._begun({} if beside else guest_modules(self._same), AGENT)

    def directed_by(self, channel: wire.Channel, given: Mapping[str, Any], fate: Callable[[], str]) -> Callable[[], None]:
        """Have all be done by an agent beside us, in this very Python, once it has started; what this gives sees that it has.

        given: what it is to start with. fate: what somebody else did to it, if so.
        """
        self.director = fate
        self._agent = Conversation(channel, self._agent.last_words, "director")
        self._same = True
        begun = self._begun({}, DIRECTOR, given=given)

        def started() -> None:
            self._agent.receive(MARGIN, "the director did not start")
            begun()

        return started

    def _begun(self, modules: Mapping[str, Any], program: str, **more: Any) -> Callable[[], None]:
        self._agent.send({"load": modules, "start": program, **more}, "started")

        def started() -> None:
            self._agent.answer(MARGIN)

        return started

    def load_modules(self, deadline: float) -> None:
        """Have the kernel take all modules that came along. Raises Lost when that takes so many seconds, or may be otherwise
        another time."""
        said = self._agent.ask({"modules": True}, "modules", deadline)["modules"]
        passing = [f"{path}: {errno.errorcode[code]}" for path, code in said.items() if code in PASSING]
        if passing:
            raise self._agent.lost(f"the kernel did not take {passing[0]}")

    def clear(self) -> int:
        """Have the kernel overwrite what memory nobody uses, before the machine is saved: how many bytes. Raises Lost."""
        return int(self._agent.ask({"clear": True}, "cleared")["cleared"])

    def environment(self, options: Iterable[str]) -> dict[str, Any]:
        """ksem.guest.environment's answer. options: of the kernel's configuration, to be told of.

        Raises Lost, also for what is none: it becomes part of the evidence, and texts of any length would.
        """
        told = self.surroundings
        # Which options it has is asked anew: cases may want to know of others.
        if told is None or told.get("config") is not None:
            told = self._agent.ask({"environment": sorted(options)}, "release")
        is_uname = all(isinstance(text, str) and len(text) <= UNAME for text in (told["release"], told.get("version")))
        if not is_uname or len(repr(told)) > ENVIRONMENT:
            raise self._agent.lost("the agent answered with an environment that is none")
        return told

    def run(self, request: Request, following: Request | None = None) -> Answer:
        """The answer to a request. Raises Lost, which is then due to this request.

        following: the one that comes next, if that is known. The far side is at it while we deal with the answer to the
        first. It stays `ahead` until it is run or forgotten; nothing else can be run before.
        """
        assert self.ahead in (None, request)
        if self.ahead is None:
            self._begin(request)
        self.ahead = None
        answer = self._answer(request)
        if losses.oopsed(self._agent.last_words()):
            raise self._agent.lost("the machine went on")
        if following is not None:
            # If that fails, it is the next request that will find out.
            with contextlib.suppress(Lost):
                self._begin(following)
                self.ahead = following
        return self._understood(request, answer)

    def lend(self, disks: Iterable[str], plug: Callable[[Collection[str]], None]) -> None:
        """Have disks plugged in once a case needs one: to find them takes an emulated machine 0.2 s. plug: may raise Lost."""
        self._disks, self._plug = list(disks), plug

    def _plug_in(self, needs: Sequence[str]) -> None:
        if any(f"fs:{name}" in needs for name in self._disks):
            names, self._disks = self._disks, []
            # The machine looks for them meanwhile: one that is told nothing waits in a way that keeps QEMU from doing anything.
            self._agent.send({"disks": names}, "disks")
            self._plug(names)
            self._agent.answer(MARGIN)

    def forget(self) -> None:
        """See the request that is ahead answered, though nobody wants to know. Raises Lost."""
        if self.ahead is not None:
            request, self.ahead = self.ahead, None
            self._answer(request)

    def _begin(self, request: Request) -> None:
        if request.needs not in self._missing:
            self._plug_in(request.needs)
            self._missing[request.needs] = self._agent.ask({"needs": list(request.needs)}, "missing")["missing"]
        reason = self._missing[request.needs]
        self._known = {"status": "unsupported", "reason": reason} if reason else None
        if reason:
            return
        if self._sent.get(request.module) != request.source:
            sent = [_code(request.source, request.filename, True)] if self._same else request.source
            self._agent.send({"load": {request.module: sent}}, "loaded")
            self._sent[request.module] = request.source
        run: dict[str, Any] = {"case": request.module, "params": dict(request.params), "deadline": request.deadline}
        if request.mutant is not None:
            run["mutant"] = dict(request.mutant)
        self._agent.send({"run": run}, "status")

    def _answer(self, request: Request) -> dict[str, Any]:
        known, self._known = self._known, None
        return known if known is not None else self._agent.answer(request.deadline + MARGIN)

    def _understood(self, request: Request, answer: dict[str, Any]) -> Answer:
        if answer["status"] not in STATUSES:
            raise self._agent.lost(f"the agent answered with the status {answer['status']!r:.80}")
        try:
            trace = lines.trace(answer.get("trace", []), answer.get("pids", {}))
            calls = tuple(_call(len(trace), *told) for told in answer.get("calls", [])[:LIMIT])
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, StopIteration) as error:
            raise self._agent.lost(f"the agent sent a trace that cannot be read ({error!r:.200})") from error
        observation = answer.get("observation")
        if len(repr(observation)) > OBSERVATION:
            raise self._agent.lost(f"the agent observed more than {OBSERVATION} characters")
        if isinstance(observation, dict) != (answer["status"] == "observed"):
            raise self._agent.lost(f"the agent answered {answer['status']} with the observation {observation!r:.80}")
        return Answer(answer["status"], observation, _short(answer.get("reason", "")),
                      _with_source(_short(answer.get("traceback", "")), request.filename, request.source), trace, calls)

    def stop(self) -> None:
        """Ask the agent to end, and do not wait for long: the backend ends the machine anyway."""
        self._agent.stop()
