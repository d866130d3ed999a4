"""The process in a machine by which a director outside of it acts: the parent of all processes of a case.

Contract: the standard library, `executor`, `beside`. It makes the calls that it finds in its mailbox, as those processes do,
and hands turns on to them; but it waits by looking, as the director, who writes to the same memory, can wake nobody. When it
is done it writes to a port, behind which QEMU has a line to the director. So `observe` need not run where a processor is
emulated: there an interpreter is 15 times slower, and took half of all time.

That memory belongs to a device: a futex in it must be private, and so wakes nobody who has another memory. Those few look again
every other moment.
"""

import ctypes
import mmap
import os
import signal
import struct
from typing import Any, Dict

from ksem.guest.beside import KEEP, MAKE, block_signals, prctl, surroundings
from ksem.guest.flags import PR

# Where its mailbox is in the arena. Beyond what every mailbox has, at 32 is that of the process whose turn it is, at 40 the
# address of how long to wait for its end before saying so, at 48 how long to sleep between two looks when nothing comes.
# State 1 is to make calls, 3 to have a turn made, 4 to wait on for it, 2 is done.
MAILBOX = 2048
CALLS, DONE, TURN, WAIT = 1, 2, 3, 4
# An I/O port that nothing else in such a machine has (the debug console of a BIOS).
PORT = 0x402
# Nanoseconds: about what a director on a busy host takes for an answer, and a look costs it.
_SLEEP = 60000
_IOPERM = 173
# As of `beside`, for private futexes, and with no end to waiting.
_LOOP = bytes.fromhex(
    "8b0424 83f801 7418"                                # wait: state == 1? then work
    "4889e7 be80000000 89c2 4c8b542418 b8ca000000 0f05 ebe0"  # futex(mailbox, FUTEX_WAIT_PRIVATE, state, how long); wait on
    "488b5c2408"                                        # work: from the first call
    "483b5c2410 7439"                                   # next: to the end, then done
) + MAKE + bytes.fromhex("75ac") + KEEP + bytes.fromhex(  # on another stack we are its child, which waits
    "79c0"                                              # next, unless it failed and must not
    "c7042402000000 4889e7 be81000000 ba01000000 b8ca000000 0f05"  # done: say so, futex(mailbox, FUTEX_WAKE_PRIVATE, 1)
    "e97bffffff"
)
# proxy(mailbox), right behind the loop: never returns.
_PROXY = bytes.fromhex(
    "4889fc eb0d"
    "c7042402000000 ba02040000 ee"                      # done: say so, out(PORT)
    "b9204e0000"                                        # 20,000 looks:
    "8b0424 83f801 7427 83f803 7470 83f804 0f8483000000"  # state == 1? calls. 3? turn. 4? hear
    "ffc9 75e6 488d7c2430 31f6 b823000000 0f05 b901000000 ebd1"  # then nanosleep between two looks
    "488b5c2408 483b5c2410 74b3"                        # calls: as above
) + MAKE + bytes.fromhex("0f85fdfeffff") + KEEP + bytes.fromhex(  # on another stack we are its child: to the loop
    "79bc e971ffffff"
    "488b7c2420 c70701000000 be81000000 ba01000000 b8ca000000 0f05"  # turn: the mailbox's state to 1, wake
    "488b7c2420 833f02 0f8447ffffff"                    # hear: until its state is 2
    "be80000000 ba01000000 4c8b542428 b8ca000000 0f05 83f892 75d7 e927ffffff"  # or the wait timed out
)


def start(memory: Any) -> Dict[str, Any]:
    """Start it, as a child; what `outside` has to know. memory: of a device, mapped: its first SIZE bytes become the arena."""
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    code = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                     prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code[:len(_LOOP + _PROXY)] = _LOOP + _PROXY
    run = ctypes.CFUNCTYPE(None, ctypes.c_ulong)(ctypes.addressof(ctypes.c_char.from_buffer(code)) + len(_LOOP))
    struct.pack_into("=8Q", memory, MAILBOX, 0, 0, 0, 0, 0, 0, 0, _SLEEP)
    if os.fork() == 0:
        try:
            prctl(PR.SET_PDEATHSIG, signal.SIGKILL)
            prctl(PR.SET_CHILD_SUBREAPER, 1)
            os.setsid()
            block_signals()
            os.closerange(3, 256)
            if not ctypes.CDLL(None).syscall(ctypes.c_long(_IOPERM), ctypes.c_ulong(PORT), ctypes.c_ulong(1), ctypes.c_int(1)):
                run(base + MAILBOX)
        finally:
            os._exit(1)
    return {"base": base, "around": list(surroundings())}
