"""Whether a kernel and the agent's user have what a case needs: tried for real, once, and remembered.

Contract: the standard library and ksem.guest; all is tried by processes of the arena. A need is `root`, `alone`, `userns`,
`fs:NAME` or `syscall:NAME`; PROBES holds one function of the arena and the name for each kind. Each returns None, or why it is
missing: the reason that an `unsupported` cell shows.
"""

import errno
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


def load(arena: Arena) -> Dict[str, int]:
    """Have the kernel take all modules that came along before anybody needs one; what it said of each, 0 or an errno.

    The machine keeps that: whoever directs it later has the modules no more.
    """
    order = arena.read(modules.ORDER)
    said: Dict[str, int] = {}

    def insert(path: str) -> int:
        if path not in said:
            said[path] = _insert(arena, path)
        return said[path]

    for name in modules.names(order) if order is not None else ():
        modules.load(name, order, insert)
    arena.write(modules.LOADED, json.dumps(said).encode())
    return said


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
        said = json.loads(arena.read(modules.LOADED) or "{}")
        problem = modules.load(name, arena.read(modules.ORDER),
                               lambda path: int(said[path]) if path in said else _insert(arena, path))
        if problem:
            return "no filesystem %s: %s" % (name, problem)
    if not _registered(arena, name):
        return "no filesystem %s" % name
    return disks.attach(arena, name) if name in disks.FILESYSTEMS else None


def _registered(arena: Arena, name: str) -> bool:
    return any(line.split()[-1] == name for line in (arena.read("/proc/filesystems") or "").splitlines())


def _insert(arena: Arena, path: str) -> int:
    """Have the kernel take the file of a module, which is there no longer than that if it has to be sent: 0 or an errno."""
    sent = arena.files.get(path)
    failed = 0
    if sent is not None:
        try:
            arena.write(path, sent)
        except OSError as error:
            failed = error.errno or errno.EIO
    with arena.process() as task:
        if not failed:
            results = task.calls([(OPEN, arena.text(path), os.O_RDONLY | os.O_CLOEXEC, 0),
                                  (modules.FINIT_MODULE[ARCHITECTURE], Earlier(0), arena.text(""), 0), (CLOSE, Earlier(0))])
            failed = next((-result for result in results[:2] if result < 0), 0)
        if sent is not None:
            syscalls.execute(task, "unlink", [path])
    return failed


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
