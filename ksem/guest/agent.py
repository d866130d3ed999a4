"""Runs cases inside the kernel under test, each in a fresh child, and answers with what they saw.

Contract: the standard library and ksem.guest. Requests and answers are JSON objects on a `wire.Channel`:

    {"load": {module: source}}                       -> {"loaded": count}
    {"environment": [option]}                        -> environment.environment(...)
    {"run": {"case", "params", "needs", "deadline"}}  -> {"status": ..., "trace": [...], ...}
    {"stop": true}                                   -> {"stopped": true}, and the agent returns

The status of a run is `observed` (with "observation"), `unsupported` (with "reason") or `broken` (with "reason" and
"traceback"). The child is killed, with every descendant it left, when it has answered or its deadline is over.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import sys
import time
from typing import Any, Dict

from ksem.guest import environment, lab, needs, syscalls
from ksem.guest.case import Broken, Unsupported
from ksem.guest.flags import CLONE, MS, PR
from ksem.guest.process import PRIVATE
from ksem.guest.trace import Trace
from ksem.guest.wire import LIMIT, Channel

Answer = Dict[str, Any]
# What tells an answer that is whole from one whose writer died.
END = b"\n"


def main(channel: Channel, sources: Any) -> None:
    """Serve requests until the host says stop."""
    # Orphans of a case come to us, wherever we run, so that none can outlive its case.
    ctypes.CDLL(None).prctl(ctypes.c_int(PR.SET_CHILD_SUBREAPER), ctypes.c_ulong(1))
    _rehearse()
    # What is there now lives as long as we do: a child that collects garbage would copy every page of it.
    gc.disable()
    channel.send({"started": True})
    while True:
        request = channel.receive()
        if "load" in request:
            sources.update(request["load"])
            channel.send({"loaded": len(request["load"])})
        elif "environment" in request:
            channel.send(environment.environment(request["environment"]))
        elif "run" in request:
            channel.send_text(run(request["run"]))
        elif "stop" in request:
            channel.send({"stopped": True})
            return
        else:
            channel.send({"unknown": sorted(request)})


def _rehearse() -> None:
    """Do once what every child does: what Python builds at a first use, children inherit instead of building it anew.

    Under emulation that is most of what a child costs (page faults, 30 to 70 us each).
    """
    trace = Trace()
    first = lab.Lab(trace)
    first.getuid()
    first.status("/")
    first.attempt.mount("none", "/proc/0/rehearsal", "none", MS.REC | MS.PRIVATE, None)
    # Refused for the bit that is no flag: this process stays where it is.
    first.attempt.unshare(CLONE.NEWNS | 1)
    for call in ("chdir", "umount2", "mkdir"):
        getattr(first.attempt, call)(*["", 0][:len(syscalls.SIGNATURES[call].arguments)])
    first.attempt.mountinfo("/")
    _text(_answered(trace, {"status": "observed", "observation": {}}))


def run(request: Dict[str, Any]) -> bytes:
    """One case with one parameter set, in a child of its own: the answer as JSON, passed on as the child wrote it."""
    try:
        reason = needs.missing(request["needs"])
        if reason:
            return _text({"status": "unsupported", "reason": reason, "trace": []})
        # Here and not in the child: the next parameter set finds it imported.
        importlib.import_module(request["case"])
    except Exception as problem:
        return _text(_broken("%s: %s" % (type(problem).__name__, problem), _traceback()))
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(request, sending)
    os.close(sending)
    try:
        text = _read(receiving, request["deadline"])
    finally:
        os.close(receiving)
        status = _reap(pid)
    if text is None:
        return _text(_broken("no answer within %g s" % request["deadline"]))
    if not text.endswith(END):
        return _text(_broken("the case's process ended without an answer (wait status %d)" % status))
    return bytes(text)


def _text(answer: Answer) -> bytes:
    return json.dumps(answer, sort_keys=True, separators=(",", ":")).encode("ascii") + END


def _child(request: Dict[str, Any], sending: int) -> None:
    """Never returns. Out of the agent's session and descriptors, so that the case cannot talk on the wire."""
    try:
        os.setsid()
        keep = os.dup2(sending, PRIVATE)
        os.closerange(3, PRIVATE)
        os.closerange(PRIVATE + 1, PRIVATE + 256)
        text = _text(_observed(request))
        while text:
            text = text[os.write(keep, text):]
        os._exit(0)
    finally:
        os._exit(1)


def _observed(request: Dict[str, Any]) -> Answer:
    trace = Trace()
    answer: Answer = {}
    try:
        observe = sys.modules[request["case"]].observe
        bench = lab.Lab(trace)
        bench.enter()
        answer = {"status": "observed", "observation": _builtin(observe(bench, **request["params"]))}
    except Unsupported as missing:
        answer = {"status": "unsupported", "reason": str(missing)}
    except Broken as problem:
        answer = _broken(str(problem), _traceback())
    except BaseException as problem:
        answer = _broken("%s: %s" % (type(problem).__name__, problem), _traceback())
    return _answered(trace, answer)


def _answered(trace: Trace, answer: Answer) -> Answer:
    answer.update(trace=trace.events, pids=trace.pids)
    return answer


def _builtin(observation: Any) -> Dict[str, Any]:
    """What is stored is what JSON makes of it; anything else is the case's mistake."""
    if not isinstance(observation, dict):
        raise TypeError("observe() must return a dict, not %s" % type(observation).__name__)
    return dict(json.loads(json.dumps(observation)))


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


def _read(descriptor: int, deadline: float) -> Any:
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


def _reap(pid: int) -> int:
    """Kill the child and whatever it left behind: orphans are ours, so each round finds the next generation."""
    status = 0
    _kill(pid)
    while True:
        try:
            done, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if done == pid:
            status = code
        if done:
            continue
        for child in _children():
            _kill(child)
        # Somebody is left and will die of the signal: wait for the next.
        done, code = os.waitpid(-1, 0)
        if done == pid:
            status = code


def _children() -> Any:
    with open("/proc/self/task/%d/children" % os.getpid()) as file:
        return [int(word) for word in file.read().split()]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
