"""A system call that seccomp hands to a supervisor, who answers in the kernel's stead (seccomp_unotify(2)).

Contract: the standard library, `syscalls` and `flags`. Supervisor and supervised are two processes that cannot wait for the
case's words, as one of them is stopped in its call: all of it is one reading. Structures: include/uapi/linux/seccomp.h.
"""

import array
import ctypes
import fcntl
import json
import os
import select
import socket
import struct
from typing import Any, Dict, List, Tuple

from ksem.guest import flags, syscalls

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_SECCOMP = {"x86_64": 317, "aarch64": 277}.get(os.uname().machine, -1)
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_RET_ALLOW, _RET_USER_NOTIF = 0x7FFF0000, 0x7FC00000
_RECV, _SEND, _ADDFD = 0xC0502100, 0xC0182101, 0x40182103
_CONTINUE, _ADDFD_SEND = 1, 2
_PATIENCE = 2000


def supervised(number: int, call: List[Any], answer: Dict[str, int]) -> Dict[str, Any]:
    """Make a call, [name, argument, ...], in a child whose filter hands the system call of that number to us, and answer it.

    answer: `error` (a negative number), `value`, `continue`, or `descriptor` (of ours, which is put into the child, and its
    number there is the value) with `at once` for one step; `flags` for the filter. {"notified": bool, "answer": "ok",
    "outcome": what the call returned or its errno's name}. Raises the OSError of seccomp(2).
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        pid = os.fork()
        if pid == 0:
            _supervised(theirs, number, call, answer.get("flags", 0))
        theirs.close()
        try:
            said, listener = _received(ours)
            if listener < 0:
                raise OSError(said, os.strerror(said))
            seen = _answered(listener, answer)
            os.close(listener)
            outcome = json.loads(ours.recv(4096).decode())
        finally:
            os.waitpid(pid, 0)
    return dict(seen, outcome=outcome)


def _supervised(control: socket.socket, number: int, call: List[Any], wanted: int) -> None:
    """Put the filter on, send its listener away, make the call, and say how it ended."""
    try:
        # if (nr == number) return SECCOMP_RET_USER_NOTIF; return SECCOMP_RET_ALLOW;
        code = b"".join(struct.pack("=HBBI", *one) for one in (
            (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, _RET_USER_NOTIF), (0x06, 0, 0, _RET_ALLOW)))
        program = ctypes.create_string_buffer(code, len(code))
        filter_ = ctypes.create_string_buffer(struct.pack("=H6xQ", len(code) // 8, ctypes.addressof(program)), 16)
        syscalls.execute("prctl", [flags.PR.SET_NO_NEW_PRIVS, 1])
        listener = _libc.syscall(ctypes.c_long(_SECCOMP), ctypes.c_long(_SET_MODE_FILTER),
                                 ctypes.c_long(_NEW_LISTENER | wanted), filter_)
        if listener < 0:
            control.send(struct.pack("=i", ctypes.get_errno()))
            return
        control.sendmsg([struct.pack("=i", 0)], [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
        value, error = syscalls.execute(call[0], list(call[1:]))
        control.send(json.dumps(error or value).encode())
    finally:
        os._exit(0)


def _received(control: socket.socket) -> Tuple[int, int]:
    """An errno, and the listener or -1."""
    data, ancillary, _, _ = control.recvmsg(4, socket.CMSG_LEN(4))
    for _, _, content in ancillary:
        return 0, array.array("i", content[:4])[0]
    return struct.unpack("=i", data)[0], -1


def _answered(listener: int, answer: Dict[str, int]) -> Dict[str, Any]:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    # POLLHUP: it is gone without having made the call.
    if not any(event & select.POLLIN for _, event in poll.poll(_PATIENCE)):
        return {"notified": False, "answer": "not tried"}
    notification = bytearray(80)
    fcntl.ioctl(listener, _RECV, notification, True)
    identity = struct.unpack_from("=Q", notification)[0]
    try:
        _respond(listener, identity, answer)
    except OSError as error:
        # The child waits for an answer: let the call go on, so that it comes to an end.
        fcntl.ioctl(listener, _SEND, bytearray(struct.pack("=QqiI", identity, 0, 0, _CONTINUE)), True)
        return {"notified": True, "answer": flags.ERRNO.get(error.errno or 0, str(error.errno))}
    return {"notified": True, "answer": "ok"}


def _respond(listener: int, identity: int, answer: Dict[str, int]) -> None:
    value = answer.get("value", 0)
    if "descriptor" in answer:
        at_once = _ADDFD_SEND if answer.get("at once") else 0
        wanted = bytearray(struct.pack("=QIIII", identity, at_once, answer["descriptor"], 0, 0))
        value = fcntl.ioctl(listener, _ADDFD, wanted, True)
        if at_once:
            return
    fcntl.ioctl(listener, _SEND, bytearray(struct.pack("=QqiI", identity, value, answer.get("error", 0),
                                                       _CONTINUE if answer.get("continue") else 0)), True)
