"""The first process of a directly booted kernel: makes a root to live in, then becomes the agent.

Contract: the standard library and what else the initramfs holds of ksem (`loader`, `wire`, `proxy`). The kernel is told
nothing but to run this; whatever goes wrong ends in a panic whose message is on the console. Where the host shares memory, a
proxy is started for a director out there, and the agent is not asked for anything.
"""

import ctypes
import mmap
import os
import sys
import termios
from typing import Any, Dict, Optional

from ksem.guest import loader, proxy, wire

LINE = "/dev/ttyS1"
# The memory that the host shares, an arena of this size, behind a PCI device in this place, for which no driver is needed.
SHARED, SLOT = 4 << 20, "10.0"
_RESOURCE = "/sys/bus/pci/devices/0000:00:%s/resource2" % SLOT
_MS_BIND, _MS_MOVE = 4096, 8192
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Become the agent on the second serial line; power off when the host says stop."""
    _leave_initramfs()
    line = _raw(LINE)
    try:
        loader.serve(wire.Channel(line, line), _proxy())
    finally:
        sys.stdout.flush()
    _power_off()


def _leave_initramfs() -> None:
    """Move to a tmpfs: the kernel's rootfs cannot be pivoted away from (pivot_root(2), Notes).

    Its files stay where they are, bound below /initramfs as one mount, and are reached by symbolic links; the move and
    chroot are what switch_root does.
    """
    kept = [name for name in sorted(os.listdir("/")) if os.path.isdir("/" + name)]
    os.mkdir("/.new")
    _mount("root", "/.new", "tmpfs", 0, "mode=755")
    os.mkdir("/.new/initramfs")
    _mount("/", "/.new/initramfs", None, _MS_BIND)
    for name in kept:
        if name not in ("dev", "proc", "sys", "tmp"):
            os.symlink("initramfs/" + name, "/.new/" + name)
    for name, fstype in (("dev", "devtmpfs"), ("proc", "proc"), ("sys", "sysfs")):
        os.mkdir("/.new/" + name, 0o755)
        _mount(name, "/.new/" + name, fstype)
    os.mkdir("/.new/tmp", 0o755)
    if os.path.isdir("/.new/sys/kernel/security"):
        _mount("securityfs", "/.new/sys/kernel/security", "securityfs")
    os.chdir("/.new")
    _mount(".", "/", None, _MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def _mount(source: str, target: str, fstype: Optional[str], flags: int = 0, data: Optional[str] = None) -> None:
    def text(value: Optional[str]) -> Optional[bytes]:
        return None if value is None else value.encode()

    if _libc.mount(text(source), text(target), text(fstype), ctypes.c_ulong(flags), text(data)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


def _raw(path: str) -> int:
    """The agent's line without any line discipline, under a number that no case will meet."""
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


def _proxy() -> Optional[Dict[str, Any]]:
    """What a director has to know, if there can be one: where there is such a device, and the kernel lets us see it."""
    try:
        with open(_RESOURCE, "r+b") as file:
            memory = mmap.mmap(file.fileno(), SHARED)
    except OSError:
        return None
    return proxy.start(memory)


def _power_off() -> None:
    # LINUX_REBOOT_CMD_POWER_OFF of reboot(2).
    _libc.reboot(ctypes.c_int(0x4321FEDC))


if __name__ == "__main__":
    main()
