"""What the kernel fills in is read field by field, and what differs from run to run is neither given nor shown.

Guards: the ids of mounts, processes and namespaces would make the same behaviour leave another record on every run.
"""

from __future__ import annotations

import os
import struct

import pytest

from ksem.guest import flags, structures
from ksem.guest.executor import Task
from ksem.guest.flags import STATMOUNT


def statmount(mask: int) -> bytes:
    """A struct statmount of a tmpfs, with its strings behind it."""
    data = bytearray(4096)
    struct.pack_into("=Q", data, 8, mask)
    struct.pack_into("=I", data, 36, 0)
    struct.pack_into("=I", data, 108, 6)
    struct.pack_into("=QQ", data, 40, 2**31 + 7, 2**31 + 1)
    struct.pack_into("=Q", data, 64, flags.MOUNT_ATTR.RDONLY)
    data[512:512 + 12] = b"tmpfs\0/tmp/a"
    return bytes(data)


def test_of_a_mount_only_what_the_mask_says_is_read() -> None:
    one = structures.Mount(4096)
    assert one.decode(statmount(STATMOUNT.FS_TYPE | STATMOUNT.MNT_POINT), 0) == {
        "fs_type": "tmpfs", "mnt_point": "/tmp/a", "fields": "STATMOUNT_MNT_POINT|STATMOUNT_FS_TYPE"}
    assert one.decode(statmount(STATMOUNT.MNT_BASIC), 0) == {"mnt_attr": 1, "fields": "STATMOUNT_MNT_BASIC"}
    assert one.decode(statmount(0), 0) == {"fields": "0"}


def test_a_mount_is_named_by_a_path_that_lies_on_it(task: Task) -> None:
    request = structures.MountRequest()
    assert request.show({"mount": "a", "param": 0}) == '{.mnt_id = <of "a">, .param = 0}'
    assert request.show({"fd": 3, "param": STATMOUNT.FS_TYPE}) == "{.mnt_fd = 3, .param = STATMOUNT_FS_TYPE}"
    size, _, identity, param = struct.unpack("=IIQQ", task.arena.take(request.pack({"mount": "/", "param": 5}, task), 24))
    assert (size, identity, param) == (24, structures.mount_id(task, "/", flags.STATX.MNT_ID_UNIQUE), 5)


def test_a_path_that_is_not_there_has_no_mount_id(task: Task) -> None:
    assert structures.mount_id(task, "/no such path", flags.STATX.MNT_ID) == 0


def test_processes_are_given_by_what_they_are(task: Task) -> None:
    one = structures.Pid()
    assert (one.pack("self", task), one.pack("parent", task)) == (task.pid, os.getpid())
    assert one.show("parent") == "getppid()"


def test_a_struct_may_be_missing(task: Task) -> None:
    one = structures.Struct(("handled", "Q", None))
    assert (one.pack(None, task), one.show(None)) == (0, "NULL")
    assert task.arena.take(one.pack({"handled": 2}, task), 8) == struct.pack("=Q", 2)


@pytest.mark.parametrize(("number", "unique"), [(29, False), (2**31 - 1, False), (2**31 + 1, True)])
def test_unique_ids_start_where_the_others_end(number: int, unique: bool) -> None:
    assert structures.UniqueId(8).decode(struct.pack("=Q", number), 0) is unique
