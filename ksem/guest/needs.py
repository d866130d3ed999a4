"""Whether a kernel and the agent's user have what a case needs: tried for real, once, and remembered.

Contract: the standard library and ksem.guest; all is tried by processes of the arena. A need is `root`, `alone`, `userns`,
`fs:NAME` or `syscall:NAME`; PROBES holds one function of the arena and the name for each kind. Each returns None, or why it is
missing: the reason that an `unsupported` cell shows.
"""

import json
import os
from typing import Any, Callable, Dict, Iterable, List, Optional

from ksem.guest import disks, flags, modules, syscalls
from ksem.guest.executor import ARCHITECTURE, CLOSE, OPEN, Arena, Earlier
from ksem.guest.lab import OWNER

_known: Dict[str, Optional[str]] = {}


def missing(needs: Iterable[str], arena: Arena) -> Optional[str]:
    """The first reason why a case cannot run here, or None."""
    for need in needs:
        if need not in _known:
            kind, _, name = need.partition(":")
            _known[need] = PROBES[kind](arena, name)
        if _known[need]:
            return _known[need]
    return None


def load(arena: Arena) -> int:
    """Load all modules that came along, as far as the kernel takes them, before anybody needs one; how many those are.

    The machine keeps what became of each: whoever directs it later may not have them any more.
    """
    order = arena.read(modules.ORDER)
    found = {name: modules.load(name, order, lambda path: _insert(arena, path))
             for name in (modules.names(order) if order is not None else ())}
    arena.write(modules.LOADED, json.dumps(found).encode())
    return sum(problem is None for problem in found.values())


def _root(arena: Arena, _: str) -> Optional[str]:
    whole = (arena.read("/proc/self/uid_map") or "").split() == ["0", "0", "4294967295"]
    if arena.around.uid != 0 or not whole:
        return "needs root outside of any user namespace"
    return None


def _alone(arena: Arena, _: str) -> Optional[str]:
    """A setting of the whole machine may be changed where its first process is ours, and so nobody else lives on it."""
    return None if arena.around.alone else "changes a setting of the whole machine: for directly booted kernels"


def _userns(arena: Arena, _: str) -> Optional[str]:
    """As a user without rights, as the sandboxes of cases are."""
    with arena.process() as task:
        if arena.around.uid == 0:
            syscalls.execute(task, "setresuid", [OWNER, OWNER, OWNER])
        _, error = syscalls.execute(task, "unshare", [flags.CLONE.NEWUSER])
    return "no user namespaces: unshare(CLONE_NEWUSER) = %s" % error if error else None


def _filesystem(arena: Arena, name: str) -> Optional[str]:
    if not _registered(arena, name):
        problem = _module(arena, name)
        if problem:
            return "no filesystem %s: %s" % (name, problem)
    if not _registered(arena, name):
        return "no filesystem %s" % name
    return disks.attach(arena, name) if name in disks.FILESYSTEMS else None


def _module(arena: Arena, name: str) -> Optional[str]:
    """Have a module loaded: None, or why it cannot be had."""
    known = json.loads(arena.read(modules.LOADED) or "{}")
    if name in known:
        return str(known[name]) if known[name] else None
    return modules.load(name, arena.read(modules.ORDER), lambda path: _insert(arena, path))


def _registered(arena: Arena, name: str) -> bool:
    return any(line.split()[-1] == name for line in (arena.read("/proc/filesystems") or "").splitlines())


def _insert(arena: Arena, path: str) -> int:
    sent = arena.files.get(path)
    if sent is not None:
        arena.write(path, sent)
    with arena.process() as task:
        results = task.calls([(OPEN, arena.text(path), os.O_RDONLY | os.O_CLOEXEC, 0),
                              (modules.FINIT_MODULE[ARCHITECTURE], Earlier(0), arena.text(""), 0), (CLOSE, Earlier(0))])
        if sent is not None:
            syscalls.execute(task, "unlink", [path])
    return max(0, -results[0], -results[1])


def _syscall(arena: Arena, name: str) -> Optional[str]:
    """Invalid arguments: any answer but ENOSYS means that the call exists."""
    with arena.process() as task:
        arguments = [_invalid(kind, task) for _, kind in syscalls.SIGNATURES[name].arguments if kind.given]
        _, error = syscalls.execute(task, name, arguments)
    return "no system call %s" % name if error == "ENOSYS" else None


def _invalid(kind: Any, task: Any) -> Any:
    """Something that such an argument can be, and that no call takes."""
    candidates: List[Any] = [-1, "", [], {}]
    for value in candidates:
        try:
            kind.pack(value, task)
        except (TypeError, AttributeError, ValueError):
            continue
        return value
    raise TypeError("no value is known for %s" % type(kind).__name__)


PROBES: Dict[str, Callable[[Arena, str], Optional[str]]] = {
    "root": _root, "alone": _alone, "userns": _userns, "fs": _filesystem, "syscall": _syscall}
