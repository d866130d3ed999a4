"""A child made by clone3(2), with what fork(2) cannot ask for, and what that child finds.

Contract: the standard library. The child is a copy of this interpreter that reports and waits: nothing of a case runs in it.
Structures and numbers are those of include/uapi/linux/sched.h.
"""

import ctypes
import json
import os
import signal
import struct
from typing import Any, Dict, List

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_CLONE3 = 435
_CLONE_PIDFD = 0x1000
_PR_GET_NO_NEW_PRIVS = 39
# One that the caller handles, and one that it ignores.
_CAUGHT, _IGNORED = signal.SIGUSR1, signal.SIGUSR2


def run_cloned(wanted: Dict[str, int]) -> Dict[str, Any]:
    """Make a child with `flags`, and `exit_signal`, `set_tid` (its process id) and `cgroup` (a descriptor) if they are named.

    {"uid": ..., "no_new_privs": bool, "root is empty": bool, "signals": [how SIGUSR1 and SIGUSR2 are taken], "cgroup": PATH,
    "id as asked": bool, "outlives its pidfd": bool, "left a zombie": bool}; what the flags do not concern is left out.
    Raises clone3's OSError.
    """
    report, reporting = os.pipe()
    waiting, go_on = os.pipe()
    before = [signal.signal(_CAUGHT, lambda *_: None), signal.signal(_IGNORED, signal.SIG_IGN)]
    pidfd, set_tid = ctypes.c_int(-1), ctypes.c_int(wanted.get("set_tid", 0))
    try:
        pid = _clone3(wanted, pidfd, set_tid)
        if pid == 0:
            _child(report, reporting, waiting, go_on, wanted)
        os.close(reporting)
        seen = _report(report)
        if wanted["flags"] & _CLONE_PIDFD:
            # Whoever is killed by that never comes back to read what follows.
            os.close(pidfd.value)
        seen["outlives its pidfd"] = _answers(go_on, report)
        seen["left a zombie"] = _waited(pid)
        reporting = go_on = -1
    finally:
        for number, handler in zip((_CAUGHT, _IGNORED), before):
            signal.signal(number, handler)
        for descriptor in (report, reporting, waiting, go_on):
            if descriptor >= 0:
                os.close(descriptor)
    return {name: value for name, value in seen.items() if name in _concerned(wanted)}


def _concerned(wanted: Dict[str, int]) -> List[str]:
    names = ["uid", "no_new_privs", "root is empty", "signals", "outlives its pidfd", "left a zombie"]
    return names + [name for key, name in (("set_tid", "id as asked"), ("cgroup", "cgroup")) if key in wanted]


def _clone3(wanted: Dict[str, int], pidfd: Any, set_tid: Any) -> int:
    """struct clone_args of 88 bytes, which older kernels than 5.7 take if its end is zero."""
    arguments = struct.pack(
        "=11Q", wanted["flags"], ctypes.addressof(pidfd) if wanted["flags"] & _CLONE_PIDFD else 0, 0, 0,
        wanted.get("exit_signal", 0), 0, 0, 0, ctypes.addressof(set_tid) if "set_tid" in wanted else 0,
        1 if "set_tid" in wanted else 0, wanted.get("cgroup", 0))
    buffer = ctypes.create_string_buffer(arguments, len(arguments))
    pid = int(_libc.syscall(ctypes.c_long(_CLONE3), buffer, ctypes.c_size_t(len(arguments))))
    if pid < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return pid


def _child(report: int, reporting: int, waiting: int, go_on: int, wanted: Dict[str, int]) -> None:
    """Report, wait for the word to go on, say that it came, and end."""
    try:
        os.close(report)
        os.close(go_on)
        seen = {"uid": os.getuid(), "no_new_privs": bool(_libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)),
                "root is empty": not os.listdir("/"), "id as asked": os.getpid() == wanted.get("set_tid"),
                "signals": _signals(), "cgroup": _cgroup()}
        os.write(reporting, json.dumps(seen).encode() + b"\n")
        os.read(waiting, 1)
        os.write(reporting, b"x")
    finally:
        os._exit(0)


def _report(report: int) -> Dict[str, Any]:
    text = b""
    while not text.endswith(b"\n"):
        piece = os.read(report, 4096)
        if not piece:
            raise RuntimeError("a cloned child ended without a report")
        text += piece
    return dict(json.loads(text.decode()))


def _answers(go_on: int, report: int) -> bool:
    # The child's end may be gone: then nobody reads, and SIGPIPE is ignored by the interpreter.
    try:
        os.write(go_on, b"x")
    except BrokenPipeError:
        pass
    os.close(go_on)
    return os.read(report, 1) == b"x"


def _waited(pid: int) -> bool:
    """Whether there is something to wait for when the child has ended."""
    try:
        # __WALL: also for a child that gives no SIGCHLD.
        os.waitpid(pid, 0x40000000)
    except ChildProcessError:
        return False
    return True


def _signals() -> List[str]:
    return ["ignored" if handler == signal.SIG_IGN else "default" if handler == signal.SIG_DFL else "caught"
            for handler in (_disposition(_CAUGHT), _disposition(_IGNORED))]


def _disposition(number: int) -> Any:
    """As the kernel has it, where the interpreter remembers what it asked for. A struct sigaction starts with the handler."""
    current = ctypes.create_string_buffer(256)
    _libc.sigaction(ctypes.c_int(number), None, current)
    handler = struct.unpack_from("=Q", current.raw)[0]
    return {0: signal.SIG_DFL, 1: signal.SIG_IGN}.get(handler, handler)


def _cgroup() -> str:
    try:
        with open("/proc/self/cgroup") as table:
            return next((line.strip().partition("::")[2] for line in table if line.startswith("0::")), "")
    except OSError:
        return ""
