"""The first steps of a kernel that was booted for us, and perhaps saved since: it learns the time, and gets chance of its own.

Contract: the standard library and `agent`. Otherwise every machine that is restored from one snapshot would live at the same
moment, and draw the same random numbers.
"""

import fcntl
import os
import struct
import time
from typing import Any

from ksem.guest.wire import Channel

# linux/random.h, for random(4).
_RNDADDENTROPY, _RNDRESEEDCRNG = 0x40085203, 0x5207


def main(channel: Channel, sources: Any, now: float, entropy: str) -> None:
    """Be an agent that knows the time, in seconds since 1970, and has chance of its own, in hexadecimal digits."""
    time.clock_settime(time.CLOCK_REALTIME, now)
    _stir(bytes.fromhex(entropy))
    from ksem.guest import agent
    agent.main(channel, sources)


def _stir(entropy: bytes) -> None:
    """Mix chance into the kernel's, and have all random numbers made of that from here on."""
    descriptor = os.open("/dev/urandom", os.O_RDWR | os.O_CLOEXEC)
    try:
        # struct rand_pool_info: how many bits of it count, how many bytes there are, the bytes.
        fcntl.ioctl(descriptor, _RNDADDENTROPY, struct.pack("ii", 8 * len(entropy), len(entropy)) + entropy)
        fcntl.ioctl(descriptor, _RNDRESEEDCRNG)
    finally:
        os.close(descriptor)
