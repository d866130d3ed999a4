"""The record of what a case did: one event a call, in order, of all its processes.

Contract: the standard library and `syscalls`. An event is a list of builtin values,

    [process, namespaces, call, [argument, ...], result]

process: the name that the case gave it (`main` is the first). namespaces: which it was in, numbered in
the order of their making and 0 for those of the machine (`mnt:1 user:0`). Arguments are spelled as in C; process ids
are replaced by `<name>`, so that the same behaviour leaves the same record. result: a value, or an errno's name.
"""

import json
import re
from typing import Any, Dict, List, Optional

from ksem.guest import flags, syscalls

Event = List[Any]
KINDS = {flags.CLONE.NEWNS: "mnt", flags.CLONE.NEWUSER: "user", flags.CLONE.NEWPID: "pid",
         flags.CLONE.NEWNET: "net", flags.CLONE.NEWUTS: "uts", flags.CLONE.NEWIPC: "ipc"}
LIMIT = 5000
_PID = re.compile(r"/proc/(\d+)")


class Trace:
    """Collects events and knows which names stand for which process ids."""

    def __init__(self) -> None:
        self.events: List[Event] = []
        self.pids: Dict[str, str] = {}
        self._made: Dict[str, int] = {}

    def record(self, process: str, namespaces: Dict[str, int], call: str, given: List[Any],
               value: Any, error: Optional[str]) -> None:
        """Add one call; what it made of the process's namespaces is noted for the next."""
        if len(self.events) >= LIMIT:
            raise RuntimeError("a case may make %d calls" % LIMIT)
        spelled = syscalls.spell(call, given) if call in syscalls.SIGNATURES else [
            syscalls.TEXT.show(one) if one is None or isinstance(one, str) else json.dumps(one, sort_keys=True)
            for one in given]
        where = " ".join("%s:%d" % item for item in sorted(namespaces.items()))
        self.events.append([process, where, call, [self._relative(one) for one in spelled],
                            error or self._shown(value)])
        if call == "unshare" and error is None:
            self._unshared(namespaces, given[0])

    def _unshared(self, namespaces: Dict[str, int], wanted: int) -> None:
        for flag, kind in KINDS.items():
            if wanted & flag:
                self._made[kind] = namespaces[kind] = self._made.get(kind, 0) + 1

    def _relative(self, text: str) -> str:
        return _PID.sub(lambda match: "/proc/" + self._name(match.group(1)), text)

    def _name(self, pid: str) -> str:
        return "<%s>" % self.pids[pid] if pid in self.pids else pid

    @staticmethod
    def _shown(value: Any) -> Any:
        if isinstance(value, (dict, list)):
            return json.dumps(value, sort_keys=True)
        return str(value)
