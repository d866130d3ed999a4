"""The first process of a machine that boots another kernel than its disk's own: reaches the disk, then becomes its init.

Contract: the standard library and what else the initramfs holds of ksem (`modules`). Whatever goes wrong ends in a panic
whose message is on the console.
"""

import ctypes
import os
import time

from ksem.guest import modules

ROOT = "/root-of-the-disk"
# Seconds until the disk must be there: a driver finds it while we wait.
DISK = 60.0
FILESYSTEMS = ("ext4", "xfs", "btrfs")
_MS_RDONLY, _MS_MOVE = 1, 8192
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Never returns: the machine's own init goes on."""
    for name, fstype in (("/proc", "proc"), ("/sys", "sysfs"), ("/dev", "devtmpfs")):
        os.makedirs(name, exist_ok=True)
        _mount(fstype, name, fstype)
    with open(modules.ORDER) as file:
        order = file.read()
    for name in modules.names(order):
        problem = modules.load(name, order, modules.insert)
        if problem:
            print("ksem: %s: %s" % (name, problem))
    os.mkdir(ROOT)
    _mount_disk(_device())
    for name in ("/proc", "/sys", "/dev"):
        _mount(name, ROOT + name, "none", _MS_MOVE)
    os.chdir(ROOT)
    _mount(".", "/", "none", _MS_MOVE)
    os.chroot(".")
    os.chdir("/")
    os.execv("/sbin/init", ["/sbin/init"])


def _device() -> str:
    """The device that the command line names as root=, once it is there."""
    with open("/proc/cmdline") as line:
        words = dict(word.partition("=")[::2] for word in line.read().split())
    device = words["root"]
    end = time.monotonic() + DISK
    while not os.path.exists(device):
        if time.monotonic() > end:
            raise OSError("the disk %s is not there" % device)
        # There is nothing to wait for that would tell: devtmpfs has no events without udev.
        time.sleep(0.05)
    return device


def _mount_disk(device: str) -> None:
    for fstype in FILESYSTEMS:
        try:
            return _mount(device, ROOT, fstype, _MS_RDONLY)
        except OSError as error:
            reason = error
    raise reason


def _mount(source: str, target: str, fstype: str, flags: int = 0) -> None:
    if _libc.mount(source.encode(), target.encode(), fstype.encode(), ctypes.c_ulong(flags), None):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)
