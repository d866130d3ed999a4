"""Ctrl-C and SIGTERM, in a run's processes: each ends as what it has started ends.

Contract: imports ksem.guest.flags alone. `ksem.__main__` has the moments before there is a run.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator

from ksem.guest.flags import PR


def heed(worker: bool) -> None:
    """SIGTERM is as good as Ctrl-C: machines end. A worker gets it when its controller dies, however that comes about."""
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
        if worker:
            ctypes.CDLL(None).prctl(PR.SET_PDEATHSIG, signal.SIGTERM)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Ctrl-C waits, and in workers that are started meanwhile until they heed it: as they import, it would be a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
