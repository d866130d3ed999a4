"""The disks that came along with a machine, one filesystem each: found by their serial, given out empty.

Contract: the standard library, `executor`, `modules`, `readers`, `syscalls`. Only a machine that we booted has such
disks; which of them is nvme0 differs from boot to boot. Items run one after another on the same filesystem. It stays mounted
between them, out of sight, as mounting anew costs an emulated machine 50 to 100 ms: a case that remounts it read-only makes it
writable again.
"""

import os
import time
from typing import Any, Optional, Sequence

from ksem.guest import modules, readers, syscalls
from ksem.guest.case import Broken
from ksem.guest.executor import Arena, Dead, Outcome, Step, Task
from ksem.guest.flags import MNT, errno_name

FILESYSTEMS = ("ext4", "xfs", "btrfs")
# Seconds until disks that are there must have been found by their driver, which looks for them beside the boot.
PATIENCE = 5.0
_CHMOD, _CHOWN, _LISTXATTR, _NAMES = 90, 92, 194, 4096


def serial(name: str) -> str:
    """The serial of the disk with that filesystem; there is room for 20 characters."""
    return "ksem-" + name


def device(name: str) -> str:
    """The path under which `attach` makes the disk known; the same in every boot, as it is recorded."""
    return "/dev/" + serial(name)


def attach(arena: Arena, name: str) -> Optional[str]:
    """Have the disk with that filesystem ready for cases: None, or why there is none."""
    there = found(arena, name) if arena.read(modules.ORDER) is not None else None
    if there is None:
        return "no disk with a filesystem %s for cases" % name
    place = "/ksem-disk"
    # The process stands where its parent does: what it mounts is mounted for that.
    with arena.process() as task:
        syscalls.execute(task, "symlink", [there, device(name)])
        syscalls.execute(task, "mkdir", [place, 0o700])
        error = _mount(arena, task, name, place)
        if error is None:
            # Never closed: as long as it is open, the filesystem stays alive, though mounted nowhere.
            arena.keep(place)
            syscalls.execute(task, "umount2", [place, MNT.DETACH])
        syscalls.execute(task, "rmdir", [place])
    return error and "mounting the disk with a filesystem %s failed with %s" % (name, error)


def _mount(arena: Arena, task: Task, name: str, place: str) -> Optional[str]:
    """Mount the disk with that filesystem: None, or the errno's name.

    A disk is to be seen before it can be opened: the kernel makes its device known (device_add()) some way before the disk
    belongs to it (bdev_add()), both in device_add_disk() of block/genhd.c. Raises Dead when it never can be.
    """
    end = time.monotonic() + PATIENCE
    while True:
        _, error = syscalls.execute(task, "mount", [device(name), place, name, 0, None])
        if error != "ENXIO":
            return error
        if time.monotonic() > end:
            raise Dead("the disk with a filesystem %s cannot be opened" % name)
        arena.tick()


def found(arena: Arena, name: str) -> Optional[str]:
    """The block device that is the disk with that filesystem, once its driver has found it; None when it does not."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for number in range(len(FILESYSTEMS)):
            if (arena.read("/sys/block/nvme%dn1/device/serial" % number) or "").strip() == serial(name):
                return "nvme%dn1" % number
        arena.tick()
    return None


def empty(task: Task, top: str) -> None:
    """Remove what an earlier item left on a disk that is mounted there, and make its root as it was."""
    for name in _must(task.make(_as_it_was, top)):
        _must(syscalls.execute(task, "removexattr", [top, name]))
    _remove_all(task, top)


def _as_it_was(task: Task, top: str) -> Step:
    """Owner and mode of a directory, in one turn with the names of its extended attributes, which are the value."""
    path, names = task.arena.text(top), task.arena.reserve(_NAMES)

    def outcome(results: Sequence[int]) -> Outcome:
        failed = [errno_name(-result) for result in results if result < 0]
        return (None, failed[0]) if failed else (
            [name.decode() for name in task.arena.take(names, results[2]).split(b"\0") if name], None)

    return [(_CHOWN, path, 0, 0), (_CHMOD, path, 0o755), (_LISTXATTR, path, names, _NAMES)], outcome


def _remove_all(task: Task, directory: str) -> None:
    for name in _must(task.make(readers.list_directory, directory)):
        path = os.path.join(directory, name)
        _, error = syscalls.execute(task, "unlink", [path])
        if error == "EISDIR":
            _remove_all(task, path)
            error = syscalls.execute(task, "rmdir", [path])[1]
        _must((None, error))


def _must(outcome: Outcome) -> Any:
    value, error = outcome
    if error is not None:
        raise Broken("a disk cannot be emptied: %s" % error)
    return value
