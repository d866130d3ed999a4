"""Programs to be run from a case, and how they are run: they say as which user, or with which capabilities, they run, and end.

Contract: the standard library only. What a set-id bit does shows only in a program that is executed; a guest has no small
one and an interpreter is slow to start, so these are some 160 bytes, in machine code, that need nothing but the kernel.
"""

import ctypes
import errno
import os
import struct
from typing import Dict, List

_libc = ctypes.CDLL(None, use_errno=True)
_PR_CAP_AMBIENT, _RAISE = 47, 2
_BASE = 0x400000
_HEADERS = 64 + 56
# int ids[4] = {getegid(), 0, geteuid(), 0}; write(1, ids, 16); exit(0)
_CODE = {"x86_64": bytes.fromhex(
    "b86b0000000f0550" "b86c0000000f0550" "b801000000bf010000004889e6ba100000000f05" "b83c00000031ff0f05")}
# struct { u32 version; int pid; u32 sets[6]; } of = {0x20080522, 0}; capget(&of, of.sets); write(1, of.sets, 24); exit(0)
_CAPABILITIES = {"x86_64": bytes.fromhex(
    "4883ec40" "c7042422050820" "c744240400000000" "4889e7" "488d742408" "b87d0000000f05"
    "b801000000" "bf01000000" "488d742408" "ba18000000" "0f05" "b83c00000031ff0f05")}
_MACHINE = {"x86_64": 62}


def write_program(path: str, says: str = "ids") -> int:
    """Write the program that says `ids`, or the one that says `capabilities`, into an existing file; the number of bytes."""
    machine = os.uname().machine
    if machine not in _CODE:
        raise OSError(errno.ENOEXEC, "no program for " + machine, path)
    code = {"ids": _CODE, "capabilities": _CAPABILITIES}[says][machine]
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        return os.write(descriptor, _elf(code, _MACHINE[machine]))
    finally:
        os.close(descriptor)


def raise_ambient(capability: int) -> int:
    """Put a permitted and inheritable capability into the ambient set, which execve keeps (PR_CAP_AMBIENT(2const)); 0."""
    if _libc.prctl(ctypes.c_int(_PR_CAP_AMBIENT), ctypes.c_ulong(_RAISE), ctypes.c_ulong(capability), ctypes.c_ulong(0),
                   ctypes.c_ulong(0)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return 0


def run_command(words: List[str], proc: str) -> int:
    """Run a program of the machine with these words, in which `<pid>` stands for the process of a directory of /proc; its exit
    status. What it says is dropped: it differs from release to release.
    """
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            for descriptor in (0, 1, 2):
                os.dup2(nowhere, descriptor)
            os.execv(words[0], [os.path.basename(proc) if word == "<pid>" else word for word in words])
        finally:
            os._exit(127)
    os.close(nowhere)
    return os.WEXITSTATUS(os.waitpid(child, 0)[1])


def run_program(path: str) -> Dict[str, int]:
    """Execute it in a child: {"euid": ..., "egid": ...} as the child had them; raises execve's OSError."""
    egid, _, euid, _ = struct.unpack("=4I", _said(path))
    return {"euid": euid, "egid": egid}


def run_capabilities(path: str) -> Dict[str, int]:
    """Execute the program that says its capabilities: {"effective": bits, "permitted": bits, "inheritable": bits}."""
    words = struct.unpack("=6I", _said(path))
    return {name: words[place] | words[place + 3] << 32 for place, name in enumerate(("effective", "permitted", "inheritable"))}


def _said(path: str) -> bytes:
    """What a program writes. posix_spawn(3) and not fork(2), which would copy the page tables of an interpreter."""
    receiving, sending = os.pipe()
    actions = ctypes.create_string_buffer(512)
    arguments = (ctypes.c_char_p * 2)(os.fsencode(path), None)
    pid = ctypes.c_int()
    try:
        _libc.posix_spawn_file_actions_init(actions)
        _libc.posix_spawn_file_actions_adddup2(actions, ctypes.c_int(sending), ctypes.c_int(1))
        code = _libc.posix_spawn(ctypes.byref(pid), arguments[0], actions, None, arguments, None)
        _libc.posix_spawn_file_actions_destroy(actions)
    finally:
        os.close(sending)
    try:
        if code:
            raise OSError(code, os.strerror(code), path)
        said = os.read(receiving, 64)
        os.waitpid(pid.value, 0)
    finally:
        os.close(receiving)
    return said


def _elf(code: bytes, machine: int) -> bytes:
    """An executable of one segment: elf(5)."""
    size = _HEADERS + len(code)
    header = struct.pack("<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, machine, 1, _BASE + _HEADERS, 64, 0, 0,
                         64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 4096)
    return header + segment + code
