"""Readers of what tells mounts, namespaces and processes apart: ids, handles and events, none of which is the same twice.

Contract: the standard library, `executor`, `flags`, `structures`. Readers as `readers` says; what differs from run to run stays
in here.
"""

import errno
import struct
from typing import Any, Dict, List, Sequence

from ksem.guest import flags
from ksem.guest.executor import READ, Outcome, Step, Task
from ksem.guest.structures import Statx

_IOCTL, _NAME_TO_HANDLE_AT, _OPEN_BY_HANDLE_AT = 16, 303, 304
_PIDFD_GET_INFO, _AT_SYMLINK_FOLLOW = 0xC040FF0B, 0x400
_FAN_MNT: Dict[str, int] = {"attach": flags.FAN.MNT_ATTACH, "detach": flags.FAN.MNT_DETACH}


def pidfd_info(task: Task, pidfd: int) -> Step:
    """Who the process of a pidfd is, in the caller's ids, from PIDFD_GET_INFO (ioctl_pidfd(2)).

    {"uid": [real, effective, saved, filesystem], "gid": the same}.
    """
    info = task.arena.put(bytes(64))

    def outcome(results: Sequence[int]) -> Outcome:
        if results[0] < 0:
            return None, flags.errno_name(-results[0])
        ids = struct.unpack_from("=8I", task.arena.take(info, 64), 28)
        # The kernel has the user and the group of each kind side by side.
        return {"uid": list(ids[0::2]), "gid": list(ids[1::2])}, None

    return [(_IOCTL, pidfd, _PIDFD_GET_INFO, info)], outcome


def mount_events(task: Task, descriptor: int) -> Step:
    """What a fanotify group of mounts has to tell, as far as it has: "attach", "detach" or both at once (fanotify(7))."""
    place = task.arena.reserve(4096)

    def outcome(results: Sequence[int]) -> Outcome:
        if results[0] == -errno.EAGAIN:
            return [], None
        if results[0] < 0:
            return None, flags.errno_name(-results[0])
        return _events(task.arena.take(place, results[0])), None

    return [(READ, descriptor, place, 4096)], outcome


def _events(data: bytes) -> List[str]:
    found = []
    while data:
        length, mask = struct.unpack_from("=I4xQ", data)
        found.append(" and ".join(name for name, bit in _FAN_MNT.items() if mask & bit))
        data = data[length:]
    return found


def mount_identity(task: Task, path: str) -> Step:
    """What statx(2) tells of the mount that a path lies on; ids differ from run to run, so only whether there is one.

    {"id": bool, "unique id": bool, "root of a mount": whether it is one, or "unknown"}.
    """
    statuses = [Statx(task, path, mask) for mask in (flags.STATX.MNT_ID, flags.STATX.MNT_ID_UNIQUE)]

    def outcome(results: Sequence[int]) -> Outcome:
        found = [status.mount_id() for status in statuses]
        # Of STATX_ATTR_MOUNT_ROOT, which the caller need not ask for, the mask says whether the filesystem knows it.
        attributes, known = statuses[0].attributes()
        root: Any = bool(attributes & flags.STATX.ATTR_MOUNT_ROOT) if known & flags.STATX.ATTR_MOUNT_ROOT else "unknown"
        return {"id": found[0] > 0, "unique id": found[1] > 0x7FFFFFFF, "root of a mount": root}, None

    return [status.call for status in statuses], outcome


def same_mount(task: Task, path: str, other: str, unique: bool) -> Step:
    """Whether statx(2) gives two paths the same mount id."""
    mask = flags.STATX.MNT_ID_UNIQUE if unique else flags.STATX.MNT_ID
    statuses = [Statx(task, one, mask) for one in (path, other)]

    def outcome(results: Sequence[int]) -> Outcome:
        return statuses[0].mount_id() == statuses[1].mount_id(), None

    return [status.call for status in statuses], outcome


def open_by_handle(task: Task, path: str, mount: int, mode: int) -> Step:
    """Take a handle of a path, following a link at its end, and open that: by a descriptor of its filesystem, or a FD_*_ROOT.

    {"handle": "ok", "open": descriptor}, with the errno's name of the one that fails, and "not tried" for what comes after.
    """
    handle = task.arena.put(struct.pack("=Ii128x", 128, 0))
    identity = task.arena.put(bytes(8))

    def outcome(results: Sequence[int]) -> Outcome:
        taken, opened = results
        if taken < 0:
            return {"handle": flags.errno_name(-taken), "open": "not tried"}, None
        return {"handle": "ok", "open": flags.errno_name(-opened) if opened < 0 else opened}, None

    # A handle that could not be taken opens nothing: its type is 0.
    return [(_NAME_TO_HANDLE_AT, flags.AT_FDCWD, task.arena.text(path), handle, identity, _AT_SYMLINK_FOLLOW),
            (_OPEN_BY_HANDLE_AT, mount, handle, mode)], outcome
