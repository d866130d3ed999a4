"""Runs cases inside the kernel under test, each in fresh processes, and answers with what they saw.

Contract: the standard library and ksem.guest. Requests and answers are JSON objects on a `wire.Channel`:

    {"load": {module: source}}                -> {"loaded": count}
    {"modules": true}                         -> {"modules": {PATH: errno}}; has the kernel take all that came along
    {"disks": [filesystem]}                   -> {"disks": those that are there, for which it waits a while}
    {"clear": true}                           -> {"cleared": bytes}; see `memory`
    {"environment": [option]}                 -> environment.environment(...)
    {"needs": [need]}                         -> {"missing": the first reason why a case cannot run here, or null}
    {"run": {"case", "params", "deadline"}}   -> {"status": ..., "trace": [...], ...}; with a "mutant" as `mutation` says
    {"stop": true}                            -> {"stopped": true}, and the agent returns

The status of a run is `observed` (with "observation"), `unsupported` (with "reason") or `broken` (with "reason" and
"traceback"). `observe` runs in a director, a child of the agent that makes none of the case's calls, and directs processes that
are forked for each run (`executor`). When it has answered they are killed, with every descendant that they left; and it with
them, when its deadline is over. Another director follows one that died, was killed or answered `broken`: whatever it was left
with is not the next case's business.
"""

import gc
import importlib
import json
import os
import select
import signal
import time
from typing import Any, Callable, Dict, NoReturn, Optional

from ksem.guest import disks, environment, lab, memory, needs
from ksem.guest.beside import Beside, reap
from ksem.guest.case import Broken, Unsupported
from ksem.guest.executor import Arena, Dead
from ksem.guest.native import SET_CHILD_SUBREAPER, SET_PDEATHSIG, block_signals, prctl
from ksem.guest.process import Bench
from ksem.guest.trace import Trace
from ksem.guest.wire import LIMIT, Channel

Answer = Dict[str, Any]
Observe = Callable[..., Any]
# What tells an answer that is whole from one whose writer died.
END = b"\n"
# How the answer of a director begins that may go on.
_SOUND = (b'{"status":"observed"', b'{"status":"unsupported"')
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
# What a process may wait to be spoken to beyond its case's deadline, before it takes itself for abandoned.
MARGIN = 20.0


def main(channel: Channel, sources: Any) -> None:
    """Serve requests until the host says stop."""
    # Orphans of a case come to us, wherever we run, so that none can outlive its case.
    prctl(SET_CHILD_SUBREAPER, 1)
    arena = Beside()
    # What Python builds at a first use, directors inherit instead of building it anew: under emulation that is most of what a
    # child costs (page faults, 30 to 70 us each).
    answer = rehearse(arena, _rehearsal)
    assert answer["status"] == "observed", answer
    # What is there now lives as long as we do: a child that looks for garbage in it would copy every page of it.
    gc.disable()
    # Python 3.6 has none.
    getattr(gc, "freeze", gc.collect)()
    channel.send({"started": True})
    serve(channel, Agent(arena, sources))


def serve(channel: Channel, agent: "Agent") -> None:
    """Answer requests until one says stop."""
    while True:
        request = channel.receive()
        if "load" in request:
            agent.load(request)
            channel.send({"loaded": len(request["load"])})
        elif "run" in request:
            channel.send_text(agent.run(request["run"]))
        elif "stop" in request:
            agent.end()
            channel.send({"stopped": True})
            return
        elif "environment" in request:
            channel.send(environment.environment(agent.arena, request["environment"]))
        elif "modules" in request:
            channel.send({"modules": needs.load(agent.arena)})
        elif "disks" in request:
            channel.send({"disks": [name for name in request["disks"] if disks.found(agent.arena, name)]})
        elif "clear" in request:
            channel.send({"cleared": memory.clear(agent.arena)})
        elif "needs" in request:
            channel.send({"missing": needs.missing(request["needs"], agent.arena)})
        else:
            channel.send({"unknown": sorted(request)})


def rehearse(arena: Arena, observe: Observe) -> Answer:
    """Do once what every run does, and a case; what it saw."""
    before = block_signals()
    answer = _observed(arena, {"deadline": 60.0, "params": {}}, observe)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _text(answer)
    return answer


def _rehearsal(bench: lab.Lab) -> Dict[str, Any]:
    bench.file("file")
    bench.fork("second").attempt.umount2("", 0)
    return {"status": bench.status("file"), "mount": bench.mountinfo(lab.ROOT)["flags"]}


class Agent:
    """Has the arena of all processes, the modules that were sent, and the director, if there is one."""

    def __init__(self, arena: Arena, sources: Any) -> None:
        self.arena = arena
        self._sources = sources
        self._director: Optional[Director] = None

    def load(self, request: Dict[str, Any]) -> None:
        """Take modules, for the director that there is and for those to come."""
        self._sources.update(request["load"])
        if self._director is not None:
            self._director.tell(request)

    def run(self, request: Dict[str, Any]) -> bytes:
        """One case with one parameter set: the answer as JSON, passed on as the director wrote it."""
        if self._director is None:
            self._director = Director(self.arena, self._sources)
        text = self._director.ask(request)
        if text is not None and text.endswith(END):
            if not text.startswith(_SOUND):
                self.end()
            return text
        status = self.end()
        if text is None:
            return _text(_broken("no answer within %g s" % request["deadline"]))
        return _text(_broken("the case's process ended without an answer (wait status %d)" % status))

    def end(self) -> int:
        """Kill all processes there are, whoever their parents were; the director's wait status."""
        director = self._director
        self._director = None
        if director is not None:
            director.close()
        status = reap(director.pid) if director is not None else 0
        self.arena.recover()
        return status


class Director:
    """A child of the agent that runs `observe`, of one case after another."""

    def __init__(self, arena: Arena, sources: Any) -> None:
        requests, answers = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _direct(arena, sources, requests[0], answers[1])
        os.close(requests[0])
        os.close(answers[1])
        self._sink, self._source = requests[1], answers[0]

    def tell(self, request: Dict[str, Any]) -> bool:
        """Have it take a request; whether it is there to do so."""
        text = _text(request)
        try:
            while text:
                text = text[os.write(self._sink, text):]
        except BrokenPipeError:
            return False
        return True

    def ask(self, request: Dict[str, Any]) -> Optional[bytes]:
        """Its answer: without END when it died before; None when time ran out, or it was too much."""
        return _read(self._source, request["deadline"]) if self.tell(request) else b""

    def close(self) -> None:
        """Have nothing more to say to it, or to hear."""
        os.close(self._sink)
        os.close(self._source)


def _direct(arena: Arena, sources: Any, source: int, sink: int) -> NoReturn:
    """Never returns. Out of the agent's descriptors, so that the case cannot talk on the wire."""
    try:
        prctl(SET_PDEATHSIG, signal.SIGKILL)
        prctl(SET_CHILD_SUBREAPER, 1)
        os.setsid()
        block_signals()
        # What a run leaves behind is garbage in cycles; what was there before is frozen.
        gc.enable()
        keep = sorted((os.dup2(source, 250), os.dup2(sink, 251)))
        os.closerange(3, keep[0])
        with open(keep[0], "rb") as requests:
            for line in requests:
                request = json.loads(line.decode("ascii"))
                if "load" in request:
                    sources.update(request["load"])
                    continue
                text = _text(_directed(arena, request))
                while text:
                    text = text[os.write(keep[1], text):]
        os._exit(0)
    finally:
        os._exit(1)


def _directed(arena: Arena, request: Dict[str, Any]) -> Answer:
    try:
        module = importlib.import_module(request["case"])
        # What can be imported is checked where cases are loaded; this is the rest.
        vars(module).setdefault("open", _refused)
        observe = module.observe
    except Exception as problem:
        return _broken("%s: %s" % (type(problem).__name__, problem), _traceback())
    return _observed(arena, request, observe)


def _refused(*_: Any, **__: Any) -> NoReturn:
    raise Broken("open() is not for cases: observe need not run on the machine with the kernel under test; use what lab has")


def _observed(arena: Arena, request: Dict[str, Any], observe: Observe) -> Answer:
    trace = Trace()
    work = Bench(trace) if "mutant" not in request else _mutating(trace, request["mutant"])
    answer: Answer = {}
    arena.start(request["deadline"] + MARGIN)
    main = arena.fork()
    try:
        bench = lab.Lab(main, work)
        bench.enter()
        observation = _builtin(observe(bench, **request["params"]))
        bench.finish()
        answer = {"status": "observed", "observation": observation}
    except Unsupported as missing:
        answer = {"status": "unsupported", "reason": str(missing)}
    except Broken as problem:
        answer = _broken(str(problem), _traceback())
    except Dead:
        raise
    except BaseException as problem:
        answer = _broken("%s: %s" % (type(problem).__name__, problem), _traceback())
    arena.reap(main.pid)
    answer.update(work.told())
    return answer


def _mutating(trace: Trace, mutant: Answer) -> Bench:
    # Here, as normal runs need nothing of it.
    from ksem.guest import mutation
    return mutation.Mutating(trace, mutant)


def _text(answer: Answer) -> bytes:
    return _ENCODE(answer).encode("ascii") + END


def _builtin(observation: Any) -> Dict[str, Any]:
    """What is stored is what JSON makes of it; anything else is the case's mistake."""
    if not isinstance(observation, dict):
        raise TypeError("observe() must return a dict, not %s" % type(observation).__name__)
    return dict(json.loads(json.dumps(observation, allow_nan=False)))


def _broken(reason: str, text: str = "") -> Answer:
    return {"status": "broken", "reason": reason, "traceback": text, "trace": []}


def _traceback() -> str:
    # Here, as it is slow to import and seldom needed.
    import traceback
    try:
        return traceback.format_exc()
    except Exception as problem:
        # The reason must come through, whatever is wrong with its traceback.
        return "no traceback: %r" % problem


def _read(descriptor: int, deadline: float) -> Optional[bytes]:
    """All that the child writes until it is whole or its end is closed; None when time runs out or it is too much."""
    text = b""
    end = time.monotonic() + deadline
    while len(text) <= LIMIT:
        if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
            return None
        piece = os.read(descriptor, 65536)
        if not piece:
            return text
        text += piece
        # Not until the end is closed: a process that the case left behind may hold it open.
        if text.endswith(END):
            return text
    return None
