"""The record of what a case did: one event a call, in order, of all its processes.

Contract: the standard library and `syscalls`. In the guest an event is what was given and what came back, and no
more: it costs what an append costs. The host spells events, once they are with it, as

    [process, namespaces, call, [argument, ...], result]

process: the name that the case gave it (`main` is the first). namespaces: which it was in, numbered in
the order of their making and 0 for those of the machine (`mnt:1 user:0`). Arguments are spelled as in C; process ids
are replaced by `<name>`, so that the same behaviour leaves the same record. result: a value, or an errno's name.
"""

import json
import re
from typing import Any, Dict, List, Optional, Tuple

from ksem.guest import flags, syscalls

Event = List[Any]
KINDS = {flags.CLONE.NEWNS: "mnt", flags.CLONE.NEWUSER: "user", flags.CLONE.NEWPID: "pid",
         flags.CLONE.NEWNET: "net", flags.CLONE.NEWUTS: "uts", flags.CLONE.NEWIPC: "ipc"}
LIMIT = 5000
_PID = re.compile(r"/proc/(\d+)")


class Trace:
    """Collects raw events, [process, namespaces, call, given, value, errno], and the names of process ids."""

    def __init__(self) -> None:
        self.events: List[Event] = []
        self.pids: Dict[str, str] = {}
        self._made: Dict[str, int] = {}

    def record(self, process: str, where: str, call: str, given: List[Any], value: Any, error: Optional[str]) -> None:
        """Add one call."""
        if len(self.events) >= LIMIT:
            raise RuntimeError("a case may make %d calls" % LIMIT)
        self.events.append([process, where, call, given, value, error])

    def unshared(self, namespaces: Dict[str, int], wanted: int) -> None:
        """Number the namespaces that a process has made for itself."""
        for flag, kind in KINDS.items():
            if wanted & flag:
                self._made[kind] = namespaces[kind] = self._made.get(kind, 0) + 1


def spelled(events: List[Event], pids: Dict[str, str]) -> Tuple[Event, ...]:
    """Raw events as they are stored and read.

    Raises KeyError, TypeError, ValueError, AttributeError or StopIteration for what is no event.
    """
    # A list first: a generator would turn StopIteration into RuntimeError.
    return tuple([[process, where, call, [_relative(one, pids) for one in _arguments(call, given)], error or _shown(value)]
                  for process, where, call, given, value, error in events])


def _arguments(call: str, given: List[Any]) -> List[str]:
    if call in syscalls.SIGNATURES:
        return syscalls.spell(call, given)
    return [syscalls.TEXT.show(one) if one is None or isinstance(one, str) else json.dumps(one, sort_keys=True)
            for one in given]


def _relative(text: str, pids: Dict[str, str]) -> str:
    return _PID.sub(lambda match: "/proc/<%s>" % pids[match.group(1)] if match.group(1) in pids else match.group(0), text)


def _shown(value: Any) -> str:
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else str(value)
