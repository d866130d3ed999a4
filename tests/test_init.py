"""The executable that a directly booted kernel runs first is what it is meant to be, read back from its bytes.

Guards: calls whose arguments point elsewhere, or of which one fails that must not and nobody notices. That kernels run it is
seen wherever one is booted; that another program follows where there can be no proxy, in test_vm.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ksem import init
from ksem.guest import program
from ksem.guest.executor import CALL_SIZE, RESULT_AT, SIZE
from ksem.guest.proxy import BASE, BELL, LOOP, PROXY

PROGRAM = init.executable(["usr", "dev", "proc", "tmp", "ksem"])
_BEGIN = program.START - (64 + 56)
MOUNT, SYMLINK, OPEN, DUP2, MMAP, CLONE, IOPERM = 165, 88, 2, 33, 9, 56, 173


class Made(NamedTuple):
    """A call of the list; source: where its first argument is. must: whether it must not fail. place: where it lies."""

    number: int
    arguments: tuple[int, ...]
    source: int
    must: bool
    place: int


def text(address: int) -> str:
    start = address - _BEGIN
    return PROGRAM[start:PROGRAM.index(b"\0", start)].decode()


def calls() -> list[Made]:
    """The first list, which begins and ends where the first instructions say."""
    entry, = struct.unpack_from("<Q", PROGRAM, 24)
    start, end = (struct.unpack_from("<I", PROGRAM, entry - _BEGIN + at)[0] for at in (1, 7))
    assert PROGRAM[entry - _BEGIN] == 0xBB
    assert PROGRAM[entry - _BEGIN + 5:entry - _BEGIN + 7] == b"\x81\xfb"
    words = [struct.unpack_from("<10Q", PROGRAM, place - _BEGIN) for place in range(start, end, CALL_SIZE)]
    return [Made(one[0], one[1:7], one[8], one[9] == 2 ** 64 - 1, start + CALL_SIZE * number)
            for number, one in enumerate(words)]


def test_a_new_root_has_what_the_initramfs_has() -> None:
    links = [tuple(map(text, one.arguments[:2])) for one in calls() if one.number == SYMLINK]
    assert links == [("initramfs/ksem", "/.new/ksem"), ("initramfs/usr", "/.new/usr")]
    mounted = [text(one.arguments[2]) for one in calls() if one.number == MOUNT and one.arguments[2]]
    assert mounted == ["tmpfs", "devtmpfs", "proc", "sysfs", "securityfs"]


def test_only_what_a_kernel_may_lack_may_fail() -> None:
    assert [text(one.arguments[0]) for one in calls() if not one.must] == ["securityfs"]


def test_the_memory_is_mapped_where_its_director_expects_it() -> None:
    found = calls()
    opened = next(one for one in found if one.number == OPEN)
    assert text(opened.arguments[0]) == "/sys/bus/pci/devices/0000:00:10.0/resource2"
    assert next(one for one in found if one.number == DUP2).source == opened.place + RESULT_AT
    mapped = next(one for one in found if one.number == MMAP)
    assert mapped.arguments[:2] == (BASE, SIZE)
    assert next(one for one in found if one.number == IOPERM).arguments[0] == BELL
    assert found[-1].number == CLONE


def test_every_other_first_argument_is_the_call_s_own() -> None:
    own = [one for one in calls() if one.source == one.place + 8]
    assert len(calls()) - len(own) == 2


def test_it_ends_with_the_proxy_behind_its_loop() -> None:
    assert PROGRAM.endswith(LOOP + PROXY)
    # jmp: over the loop.
    assert PROGRAM[-len(LOOP + PROXY) - 5:-len(LOOP + PROXY)] == b"\xe9" + struct.pack("<I", len(LOOP))
