"""The disks that came along with a machine, one filesystem each: found by their serial, given out empty.

Contract: the standard library, `executor`, `modules`, `syscalls`. Only a machine that we booted has such disks; which of them
is nvme0 differs from boot to boot. Items run one after another on the same filesystem, and it stays mounted between them, out
of sight, as mounting anew costs an emulated machine 50 to 100 ms: a case that remounts it read-only makes it writable again.
"""

import glob
import os
import time
from typing import Optional

from ksem.guest import modules, syscalls
from ksem.guest.executor import Arena
from ksem.guest.flags import MNT

FILESYSTEMS = ("ext4", "xfs", "btrfs")
# Seconds until disks that are there must have been found by their driver, which looks for them beside the boot.
PATIENCE = 5.0


def serial(name: str) -> str:
    """The serial of the disk with that filesystem; there is room for 20 characters."""
    return "ksem-" + name


def device(name: str) -> str:
    """The path under which `attach` makes the disk known; the same in every boot, as it is recorded."""
    return "/dev/" + serial(name)


def attach(arena: Arena, name: str) -> Optional[str]:
    """Have the disk with that filesystem ready for cases: None, or why there is none."""
    found = _found(name) if os.path.isdir(modules.DIRECTORY) else None
    if found is None:
        return "no disk with a filesystem %s for cases" % name
    os.symlink(found, device(name))
    place = "/ksem-disk"
    os.mkdir(place)
    # The process stands where we do: what it mounts is mounted for us.
    with arena.process() as task:
        _, error = syscalls.execute(task, "mount", [device(name), place, name, 0, None])
        if error is None:
            # Never closed: as long as it is open, the filesystem stays alive, though mounted nowhere.
            os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            syscalls.execute(task, "umount2", [place, MNT.DETACH])
    os.rmdir(place)
    return error and "mounting the disk with a filesystem %s failed with %s" % (name, error)


def _found(name: str) -> Optional[str]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for path in glob.glob("/sys/block/nvme*/device/serial"):
            with open(path) as file:
                if file.read().strip() == serial(name):
                    return path.split("/")[3]
        time.sleep(0.02)
    return None


def empty(top: str) -> None:
    """Remove what an earlier item left on a disk that is mounted there, and make its root as it was."""
    os.chown(top, 0, 0)
    os.chmod(top, 0o755)
    for name in os.listxattr(top):
        os.removexattr(top, name)
    for name in os.listdir(top):
        _remove(os.path.join(top, name))


def _remove(path: str) -> None:
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return
    for name in os.listdir(path):
        _remove(os.path.join(path, name))
    os.rmdir(path)
