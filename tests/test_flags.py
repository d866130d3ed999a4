"""Constants have the values of the kernel's headers as far as Python knows them too, and are spelled as in C.

Guards: a wrong bit would observe another behaviour than the trace says. Python's own constants come from the same headers
and are there on every machine, so that nothing of this can be skipped.
"""

from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksem.guest import flags, syscalls
from ksem.guest.executor import Task
from ksem.guest.flags import CAP, CLONE, MNT, MS, UMOUNT, O, S, members, name_of, spell
from ksem.guest.lab import MOUNT_FLAGS, mount_flags, user_name

CLASSES = [one for one in vars(flags).values() if isinstance(one, type)]
STATVFS = {"RDONLY": os.ST_RDONLY, "NOSUID": os.ST_NOSUID, "NODEV": os.ST_NODEV, "NOEXEC": os.ST_NOEXEC,
           "SYNCHRONOUS": os.ST_SYNCHRONOUS, "MANDLOCK": os.ST_MANDLOCK, "NOATIME": os.ST_NOATIME,
           "NODIRATIME": os.ST_NODIRATIME}


@pytest.mark.parametrize("name", members(O))
def test_flags_of_open_are_those_of_this_machine(name: str) -> None:
    assert members(O)[name] == getattr(os, name)


@pytest.mark.parametrize("name", members(S))
def test_file_types_are_those_of_this_machine(name: str) -> None:
    assert members(S)[name] == getattr(stat, name)


@pytest.mark.parametrize("name", STATVFS)
def test_flags_of_a_mount_are_those_that_statvfs_shows(name: str) -> None:
    assert getattr(MS, name) == STATVFS[name]


@pytest.mark.parametrize("group", [(MS,), (MNT, UMOUNT), (CLONE,), (flags.AT,), (flags.MOVE_MOUNT,), (flags.MOUNT_ATTR,)])
def test_flags_are_single_bits_of_their_own(group: tuple[type, ...]) -> None:
    values = [value for one in group for value in members(one).values()]
    assert all(value & (value - 1) == 0 and value > 0 for value in values)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("one", CLASSES)
def test_a_name_of_every_value_leads_back_to_it(one: type) -> None:
    assert {members(one)[name_of(value, one)] for value in members(one).values()} == set(members(one).values())


@given(st.integers(min_value=0, max_value=2**40))
def test_spelled_flags_have_the_value(value: int) -> None:
    names = members(MS)
    assert sum(names[word] if word in names else int(word, 0) for word in spell(value, MS).split("|")) == value


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (MS.BIND | MS.REC, "MS_BIND|MS_REC"), (MS.BIND | 1 << 40, "MS_BIND|0x10000000000"),
])
def test_flags_are_spelled_as_in_c(value: int, text: str) -> None:
    assert spell(value, MS) == text


def test_a_value_without_a_name_stays_a_number() -> None:
    assert name_of(0, CAP) == "CAP_CHOWN"
    assert name_of(99, CAP) == "99"


def test_options_of_a_mount_are_their_flags() -> None:
    assert mount_flags([]) == 0
    assert mount_flags(["ro", "nosuid"]) == MS.RDONLY | MS.NOSUID
    assert len(set(MOUNT_FLAGS.values())) == len(MOUNT_FLAGS)
    with pytest.raises(KeyError):
        mount_flags(["rx"])


@pytest.mark.parametrize(("uid", "name"), [(0, "root"), (2100000001, "owner"), (65534, "overflow"), (1000, "1000")])
def test_users_have_names(uid: int, name: str) -> None:
    assert user_name(uid, overflow=65534) == name


def test_a_call_answers_with_a_value_or_an_errnos_name(task: Task) -> None:
    assert syscalls.execute(task, "getuid", []) == (os.getuid(), None)
    assert syscalls.execute(task, "chdir", ["/no/such/directory"]) == (None, "ENOENT")
    assert syscalls.execute(task, "close", [-1]) == (None, "EBADF")


def test_a_status_is_what_stat_says(task: Task, tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "file")
    with open(path, "w"):
        os.chmod(path, 0o640)
    status, error = syscalls.execute(task, "statx", [flags.AT_FDCWD, path, 0, 0x7FF])
    assert error is None
    assert status == {"type": "file", "mode": "00640", "uid": os.getuid(), "gid": os.stat(path).st_gid, "nlink": 1}


def test_a_wrong_number_of_arguments_is_told(task: Task) -> None:
    with pytest.raises(TypeError, match="chown takes 3 arguments, not 2: path, owner, group"):
        syscalls.execute(task, "chown", ["/", 0])
