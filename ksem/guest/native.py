"""What those who run machine code in a machine have in common, and need nothing else for.

Contract: the standard library only.
"""

import ctypes
import os
import signal
from typing import Any, List

SET_PDEATHSIG, GET_DUMPABLE, SET_CHILD_SUBREAPER = 1, 3, 36
# What every loop does with the call at rbx: make it, and compare the stack with what it was; then keep the result, go to the
# next call, and test whether that may be made.
MAKE = bytes.fromhex("488b4b40 488b39 488b7310 488b5318 4c8b5320 4c8b4328 4c8b4b30 488b03 4989e4 0f05 4939e4")
KEEP = bytes.fromhex("48894338 488b4b48 4883c350 4885c8")

libc = ctypes.CDLL(None)
# All but the two that are libc's own.
_SIGNALS = [number for number in range(1, signal.NSIG) if number not in (32, 33)]


def prctl(option: int, value: int) -> int:
    """prctl(2) for this interpreter itself."""
    return int(libc.prctl(ctypes.c_int(option), *(ctypes.c_ulong(word) for word in (value, 0, 0, 0))))


def block_signals() -> Any:
    """Let no signal but SIGKILL reach this process and those that it forks: the handlers of an interpreter are not theirs."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def surroundings() -> List[Any]:
    """Of this very machine, as `executor.Surroundings` has them."""
    with open("/proc/self/mountinfo") as table:
        length = len(table.read())
    return [os.geteuid(), os.getegid(), os.uname().release, length, prctl(GET_DUMPABLE, 0), os.getpid() == 1]
