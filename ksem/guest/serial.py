"""The agent of a directly booted kernel that nobody can direct from outside, on its second serial line.

Contract: the standard library and what else the initramfs holds of ksem (`loader`, `wire`). The first process becomes this
(`ksem.init`); whatever goes wrong ends in a panic whose message is on the console.
"""

import ctypes
import os
import sys
import termios

from ksem.guest import loader, wire

LINE = "/dev/ttyS1"
# LINUX_REBOOT_CMD_POWER_OFF of reboot(2).
_POWER_OFF = 0x4321FEDC


def main() -> None:
    """Serve; power off when the host says stop."""
    line = _raw(LINE)
    try:
        loader.serve(wire.Channel(line, line))
    finally:
        sys.stdout.flush()
    ctypes.CDLL(None).reboot(ctypes.c_int(_POWER_OFF))


def _raw(path: str) -> int:
    """The line without any line discipline, under a number that no case will meet."""
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    attributes = termios.tcgetattr(line)
    attributes[0] = attributes[1] = attributes[3] = 0
    attributes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    attributes[4] = attributes[5] = termios.B115200
    attributes[6][termios.VMIN] = 1
    attributes[6][termios.VTIME] = 0
    termios.tcsetattr(line, termios.TCSANOW, attributes)
    os.dup2(line, 250)
    return 250


if __name__ == "__main__":
    main()
