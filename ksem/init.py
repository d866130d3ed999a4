"""The first process of a directly booted kernel: an executable that is a list of system calls, made one after another.

Contract: `ksem.guest`. It makes a root to live in, maps the memory that the host shares, and becomes the parent of a proxy
(`ksem.guest.proxy`), which rings its bell and waits for a director. Where a kernel does not let it, it executes AGENT instead,
which runs cases in the machine itself. An interpreter would take a second to start where a processor is emulated, half a
second to be unpacked where nobody needs it, and would be in every machine that is saved: only one that was seen to need it
is booted once more, with it.

When neither can be, it ends, and the kernel says so as it panics: ENDED. When the proxy has ended, it powers the machine off.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ksem.guest import program
from ksem.guest.executor import CALL_SIZE, CLONE, CLOSE, DUP2, OPEN, PRCTL, RESULT_AT, SIZE, Earlier
from ksem.guest.native import KEEP, MAKE, SET_CHILD_SUBREAPER, SET_PDEATHSIG, SIGNALS
from ksem.guest.proxy import BASE, BELL, LOOP, MAILBOX, PROXY, RUNG

# What is executed when there can be no proxy.
AGENT = "/ksem/agent"
# Where on the first bus the PCI device is that has the shared memory: no driver is needed for it.
SLOT = "10.0"
_RESOURCE = f"/sys/bus/pci/devices/0000:00:{SLOT}/resource2"
# arch/x86/entry/syscalls/syscall_64.tbl
_MMAP, _RT_SIGPROCMASK, _CHDIR, _MKDIR, _SYMLINK, _SETSID, _CHROOT, _MOUNT, _IOPERM = 9, 14, 80, 83, 88, 112, 161, 165, 173
_MS_BIND, _MS_MOVE = 4096, 8192
_O_RDWR, _O_CLOEXEC, _READ_WRITE, _SHARED_FIXED, _SIGCHLD, _SIGKILL = 2, 0o2000000, 3, 0x11, 17, 9
# What the file of that memory is called while it is mapped.
_KEPT = 250
_BLOCKED = sum(1 << number - 1 for number in SIGNALS).to_bytes(8, "little")
# What is mounted anew on a root, and not taken along.
_MOUNTED = (("dev", "devtmpfs"), ("proc", "proc"), ("sys", "sysfs"))
_EXIT = bytes.fromhex("b83c000000 bf01000000 0f05")
# What the kernel says as it panics because of that (do_exit() in kernel/exit.c).
ENDED = "Attempted to kill init! exitcode=0x00000100"
# reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF)
_POWER_OFF = bytes.fromhex("b8a9000000 bfaddee1fe be69191228 badcfe2143 0f05")
# wait4(-1, NULL, __WALL, NULL) for as long as there is somebody to wait for.
_WAIT = bytes.fromhex("b83d000000 48c7c7ffffffff 31f6 ba00000040 4d31d2 0f05 4885c0 79e3")

# Number and arguments, of which texts and bytes are given by their addresses. A step: whether none of its calls may fail.
Call = Sequence[Any]
Step = tuple[Sequence[Call], bool]


def executable(directories: Iterable[str]) -> bytes:
    """It, for an initramfs with these directories at its top: a new root has them too."""
    first: list[Step] = [*_root(directories), (_memory(), True), ([(CLONE, _SIGCHLD, 0)], True)]
    second: Step = ([(PRCTL, SET_PDEATHSIG, _SIGKILL), (PRCTL, SET_CHILD_SUBREAPER, 1), (_SETSID,),
                     (_RT_SIGPROCMASK, 0, _BLOCKED, 0, len(_BLOCKED))], True)
    start = program.START
    then = start + CALL_SIZE * sum(len(step) for step, _ in first)
    end = then + CALL_SIZE * len(second[0])
    calls, data = bytearray(), bytearray()

    def put(content: bytes) -> int:
        place = end + len(data)
        data.extend(content + bytes(-len(content) % 8))
        return place

    for step in (*first, second):
        calls += _written(step, start + len(calls), put)
    path = put(AGENT.encode() + b"\0")
    code = _code((start, then), (then, end), path, put(struct.pack("<QQ", path, 0)))
    return program.executable(bytes(calls + data) + code, entry=len(calls) + len(data), writable=True)


def _root(directories: Iterable[str]) -> list[Step]:
    """Move to a tmpfs: the kernel's rootfs cannot be pivoted away from (pivot_root(2), Notes).

    Its files stay where they are, bound below /initramfs as one mount, and are reached by symbolic links; the move and
    chroot are what switch_root does.
    """
    kept = sorted(set(directories) - {name for name, _ in _MOUNTED} - {"tmp"})
    made = [
        (_MKDIR, "/.new", 0o755), (_MOUNT, "root", "/.new", "tmpfs", 0, "mode=755"),
        (_MKDIR, "/.new/initramfs", 0o755), (_MOUNT, "/", "/.new/initramfs", 0, _MS_BIND, 0),
        *((_SYMLINK, f"initramfs/{name}", f"/.new/{name}") for name in kept),
        *(call for name, fstype in _MOUNTED for call in (
            (_MKDIR, f"/.new/{name}", 0o755), (_MOUNT, name, f"/.new/{name}", fstype, 0, 0))),
        (_MKDIR, "/.new/tmp", 0o755)]
    # Where a kernel has it.
    security = [(_MOUNT, "securityfs", "/.new/sys/kernel/security", "securityfs", 0, 0)]
    moved = [(_CHDIR, "/.new"), (_MOUNT, ".", "/", 0, _MS_MOVE, 0), (_CHROOT, "."), (_CHDIR, "/")]
    return [(made, True), (security, False), (moved, True)]


def _memory() -> list[Call]:
    """Map what the host shares to where its director expects it, and have the ports of a proxy."""
    return [(OPEN, _RESOURCE, _O_RDWR | _O_CLOEXEC, 0), (DUP2, Earlier(0), _KEPT), (CLOSE, Earlier(0)),
            (_MMAP, BASE, SIZE, _READ_WRITE, _SHARED_FIXED, _KEPT, 0), (CLOSE, _KEPT), (_IOPERM, BELL, 2, 1)]


def _written(step: Step, first: int, put: Callable[[bytes], int]) -> bytes:
    """Calls as `native.MAKE` takes them, from an address on. put: where to have bytes, and their address."""
    def value(one: Any) -> int:
        return put(one.encode() + b"\0") if isinstance(one, str) else put(one) if isinstance(one, bytes) else int(one)

    written = b""
    calls, must = step
    for call in calls:
        place = first + len(written)
        source = place + 8
        if len(call) > 1 and isinstance(call[1], Earlier):
            source, call = first + call[1].index * CALL_SIZE + RESULT_AT, (call[0], 0, *call[2:])
        words = [*map(value, call), *[0] * (7 - len(call))]
        written += struct.pack("<10Q", *words, 0, source, (1 << 64) - 1 if must else 0)
    return written


def _code(first: tuple[int, int], second: tuple[int, int], path: int, arguments: int) -> bytes:
    """Both lists of calls, from an address to another each; the second is the child's."""
    # execve(path, arguments, NULL)
    agent = bytes.fromhex("b83b000000 bf") + _word(path) + b"\xbe" + _word(arguments) + bytes.fromhex("31d2 0f05")
    parent = _WAIT + _POWER_OFF
    # test rax, rax: the result of the last call, clone; the child goes on behind its parent.
    fork = bytes.fromhex("4885c0 74") + bytes([len(parent)])
    # out(BELL, RUNG); proxy(mailbox), behind the loop of its children.
    child = b"\xb0" + RUNG + b"\xba" + _word(BELL) + b"\xee\xbf" + _word(BASE + MAILBOX) + b"\xe9" + _word(len(LOOP))
    return _making(first, agent + _EXIT) + fork + parent + _making(second, _EXIT) + child + LOOP + PROXY


def _making(calls: tuple[int, int], failed: bytes) -> bytes:
    """Code that makes calls, and goes on behind itself. failed: what never does, for when one failed that must not."""
    start, end = calls
    step = MAKE + KEEP
    # mov ebx, start; next: cmp ebx, end; je behind; ...; jns next
    check = b"\x81\xfb" + _word(end) + b"\x74" + bytes([len(step) + 2 + len(failed)])
    again = b"\x79" + struct.pack("<b", -len(check + step) - 2)
    return b"\xbb" + _word(start) + check + step + again + failed


def _word(value: int) -> bytes:
    return struct.pack("<I", value)
