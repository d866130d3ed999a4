"""What those who run machine code in a machine have in common, and need nothing else for.

Contract: the standard library only.
"""

import ctypes
import signal
from typing import Any

SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36
# What every loop does with the call at rbx: make it, and compare the stack with what it was; then keep the result, go to the
# next call, and test whether that may be made.
MAKE = bytes.fromhex("488b4b40 488b39 488b7310 488b5318 4c8b5320 4c8b4328 4c8b4b30 488b03 4989e4 0f05 4939e4")
KEEP = bytes.fromhex("48894338 488b4b48 4883c350 4885c8")

libc = ctypes.CDLL(None)
# All that are blocked: all but the two that are libc's own.
SIGNALS = [number for number in range(1, signal.NSIG) if number not in (32, 33)]


def prctl(option: int, value: int) -> int:
    """prctl(2) for this interpreter itself."""
    return int(libc.prctl(ctypes.c_int(option), *(ctypes.c_ulong(word) for word in (value, 0, 0, 0))))


def block_signals() -> Any:
    """Let no signal but SIGKILL reach this process and those that it forks: the handlers of an interpreter are not theirs."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
