"""The record of what a case did reads like C and is the same for the same behaviour, whatever ids a run was given.

Guards: traces are committed evidence and compared between kernels; a process id in one would make every run differ.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from ksem.guest import trace
from ksem.guest.flags import (
    AF,
    AT,
    AT_FDCWD,
    CLONE,
    FSCONFIG,
    MOUNT_ATTR,
    MS,
    PR,
    RENAME,
    RESOLVE,
    SO,
    SOCK,
    SOL,
    STATMOUNT,
    O,
    S,
)
from ksem.guest.trace import Trace, spelled

CALLS: dict[str, tuple[list[Any], list[str]]] = {
    "mount": (["src", "dir", "tmpfs", MS.RDONLY | MS.NOSUID, "mode=755"],
              ['"src"', '"dir"', '"tmpfs"', "MS_RDONLY|MS_NOSUID", '"mode=755"']),
    "umount2": (["dir", 8 | 2], ['"dir"', "MNT_DETACH|UMOUNT_NOFOLLOW"]),
    "open": (["a", O.CREAT | O.WRONLY, 0o600], ['"a"', "O_WRONLY|O_CREAT", "0600"]),
    "mknod": (["pipe", S.IFIFO | 0o4644, 0], ['"pipe"', "S_IFIFO|04644", "0"]),
    "fchownat": ([AT_FDCWD, "", 1, -1, AT.EMPTY_PATH], ["AT_FDCWD", '""', "1", "-1", "AT_EMPTY_PATH"]),
    "mount_setattr": ([3, "", AT.RECURSIVE, {"attr_set": MOUNT_ATTR.RDONLY, "propagation": MS.PRIVATE}],
                      ["3", '""', "AT_RECURSIVE", "{.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE}", "32"]),
    "fsmount": ([3, 0, MOUNT_ATTR.RDONLY], ["3", "0", "MOUNT_ATTR_RDONLY"]),
    "capset": ([{"effective": [0, 3], "permitted": []}],
               ["{_LINUX_CAPABILITY_VERSION_3, 0}", "{.effective = CAP_CHOWN|CAP_FOWNER, .permitted = 0}"]),
    "clone": ([CLONE.NEWNS], ["CLONE_NEWNS|SIGCHLD", "0", "0", "0", "0"]),
    "clone3": ([CLONE.NEWNS | CLONE.NEWUSER], ["{.flags = CLONE_NEWNS|CLONE_NEWUSER, .exit_signal = SIGCHLD}", "64"]),
    "utimes": (["a", [1, 2]], ['"a"', "{{1, 0}, {2, 0}}"]),
    "renameat2": ([AT_FDCWD, "a", 3, "b", RENAME.EXCHANGE], ["AT_FDCWD", '"a"', "3", '"b"', "RENAME_EXCHANGE"]),
    "copy_file_range": ([3, 4, 16, 0], ["3", "NULL", "4", "NULL", "16", "0"]),
    "setgroups": ([2, [5, 6]], ["2", "{5, 6}"]),
    "prctl": ([PR.SET_KEEPCAPS, 1], ["PR_SET_KEEPCAPS", "1", "0", "0", "0"]),
    "unshare": ([CLONE.NEWNS | CLONE.NEWUSER], ["CLONE_NEWNS|CLONE_NEWUSER"]),
    "statx": ([AT_FDCWD, "a", 0, 0x7FF], ["AT_FDCWD", '"a"', "0", str(0x7FF)]),
    "getuid": ([], []),
    "truncate": (["a", 3], ['"a"', "3"]),
    "fallocate": ([3, 3, 0, 4096], ["3", "FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE", "0", "4096"]),
    "setxattr": (["a", "security.capability", "\x01\0A\udcff", 4, 0],
                 ['"a"', '"security.capability"', '"\\001\\000A\\377"', "4", "0"]),
    "utimensat": ([AT_FDCWD, "a", 0], ["AT_FDCWD", '"a"', "NULL", "0"]),
    "socket": ([AF.UNIX, SOCK.STREAM, 0], ["AF_UNIX", "SOCK_STREAM", "0"]),
    "connect": ([3, "door"], ["3", '{AF_UNIX, "door"}', "110"]),
    "getsockopt": ([3, SOL.SOCKET, SO.PEERCRED], ["3", "SOL_SOCKET", "SO_PEERCRED", "&(socklen_t){12}"]),
    "setsockopt": ([3, SOL.SOCKET, SO.PASSCRED], ["3", "SOL_SOCKET", "SO_PASSCRED", "&one", "4"]),
    "sendmsg": ([3, {"uid": 1, "gid": 2}, 0], ["3", "{SCM_CREDENTIALS {getpid(), 1, 2}}", "0"]),
    "mkdir": (['say "hi"\\\n', 0o755], ['"say \\"hi\\"\\\\\\n"', "0755"]),
    "openat2": ([3, "a", {"flags": O.PATH, "resolve": RESOLVE.BENEATH}],
                ["3", '"a"', "{.flags = O_PATH, .resolve = RESOLVE_BENEATH}", "24"]),
    "fsconfig": ([3, FSCONFIG.SET_STRING, "mode", "755", 0], ["3", "FSCONFIG_SET_STRING", '"mode"', '"755"', "0"]),
    "statmount": ([{"mount": "dir", "param": STATMOUNT.FS_TYPE}, 0],
                  ['{.mnt_id = <of "dir">, .param = STATMOUNT_FS_TYPE}', "4096", "0"]),
    "setxattrat": ([AT_FDCWD, "a", 0, "user.a", "value"],
                   ["AT_FDCWD", '"a"', "0", '"user.a"', '{.value = "value", .size = 5}', "16"]),
    "pidfd_open": (["self", 0], ["getpid()", "0"]),
    "mountinfo": (["dir"], ['"dir"']),
    "write_file": (["/proc/self/setgroups", "deny"], ['"/proc/self/setgroups"', '"deny"']),
}


def event(call: str, given: list[Any], value: Any = 0, error: str | None = None) -> list[Any]:
    """A raw event of the first process."""
    return ["main", "mnt:1 user:0", call, given, value, error]


@pytest.mark.parametrize("call", CALLS)
def test_arguments_are_spelled_as_in_c(call: str) -> None:
    given, expected = CALLS[call]
    assert spelled([event(call, given)], {}) == (["main", "mnt:1 user:0", call, expected, "0"],)


@pytest.mark.parametrize(("value", "error", "shown"), [
    (0, None, "0"), (3, None, "3"), (None, "EPERM", "EPERM"), ("text", None, "text"), ([2, 1], None, "[2, 1]"),
    ({"b": 1, "a": ["ro"]}, None, '{"a": ["ro"], "b": 1}'),
])
def test_a_result_is_a_value_or_an_errnos_name(value: Any, error: str | None, shown: str) -> None:
    assert spelled([event("getuid", [], value, error)], {})[0][4] == shown


def test_process_ids_are_names() -> None:
    events = [event("write_file", ["/proc/123/uid_map", "0 5 1\n"]), event("open", ["/proc/1234/root/proc/123", 0, 0])]
    assert [one[3][0] for one in spelled(events, {"123": "child"})] == [
        '"/proc/<child>/uid_map"', '"/proc/1234/root/proc/<child>"']


def test_the_same_behaviour_leaves_the_same_record() -> None:
    records = [spelled([event("write_file", [f"/proc/{pid}/uid_map", "0 5 1\n"])], {str(pid): "child"})
               for pid in (99, 4_000_000)]
    assert records[0] == records[1]


def test_events_are_kept_in_their_order() -> None:
    one = Trace()
    one.record("main", "mnt:0", "getuid", [], 0, None)
    one.record("child", "mnt:1", "mkdir", ["a", 0o755], None, "EEXIST")
    assert one.events == [["main", "mnt:0", "getuid", [], 0, None], ["child", "mnt:1", "mkdir", ["a", 0o755], None, "EEXIST"]]


def test_namespaces_are_numbered_in_the_order_of_their_making() -> None:
    one = Trace()
    main, child = {"mnt": 0, "user": 0}, {"mnt": 0, "user": 0}
    one.unshared(main, CLONE.NEWNS)
    one.unshared(child, CLONE.NEWNS | CLONE.NEWUSER)
    one.unshared(main, CLONE.NEWNS)
    assert (main, child) == ({"mnt": 3, "user": 0}, {"mnt": 2, "user": 1})
    one.unshared(main, CLONE.NEWNET)
    assert main["net"] == 1


def test_a_case_that_never_ends_does_not_fill_the_memory() -> None:
    one = Trace()
    for _ in range(trace.LIMIT):
        one.record("main", "", "getuid", [], 0, None)
    with pytest.raises(RuntimeError, match=str(trace.LIMIT)):
        one.record("main", "", "getuid", [], 0, None)


@pytest.mark.parametrize("wrong", [
    ["main"], event("mkdir", ["a", "0755"]), event("mkdir", [3, 3]),
    event("mkdir", ["a"]), 7, None,
])
def test_what_is_no_event_raises_what_the_contract_says(wrong: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError, StopIteration)):
        spelled([wrong], {})


def test_our_own_process_is_named_like_any_other() -> None:
    name = {str(os.getpid()): "main"}
    assert spelled([event("read_file", [f"/proc/{os.getpid()}/status"])], name)[0][3] == ['"/proc/<main>/status"']
