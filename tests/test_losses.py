"""What a machine died of is told apart: its kernel, a hang, what runs it; the same death in the same words.

Guards: a panic that reads like trouble of the host's, and trouble of the host's that reads like a panic.
"""

from __future__ import annotations

import pytest

from ksem.losses import described, oopsed
from ksem.model import Lost

PANIC = """[    3.795257] Kernel panic - not syncing: sysrq triggered crash
[    3.795586] CPU: 0 PID: 77 Comm: init Not tainted 5.10.0-46-cloud-amd64 #1 Debian 5.10.262-1
[    3.796000] Call Trace:
[    3.805366]  dump_stack+0x6b/0x83
[    3.805566]  panic+0x114/0x2f1
[    3.805633]  ? printk+0x58/0x73
[    3.805702]  sysrq_handle_crash+0x16/0x20
[    3.805789]  __handle_sysrq.cold+0x43/0x11a
[    3.805871]  write_sysrq_trigger+0x24/0x40
[    3.805953]  proc_reg_write+0x51/0x90"""
OOPS = """BUG: kernel NULL pointer dereference, address: 0000000000000000
Oops: 0002 [#1] PREEMPT SMP NOPTI
RIP: 0010:sysrq_handle_crash+0x12/0x20
Call Trace:
 <TASK>
 ? __die_body.cold+0x1a/0x1f
 __handle_sysrq+0x9b/0x170"""
MEMORY = "[    6.843745] Out of memory: Killed process 77 (init) total-vm:29776kB"


def loss(console: str = "", fate: str = "") -> str:
    found = Lost("the machine did not answer", console)
    found.fate = fate
    return described(found)


@pytest.mark.parametrize(("console", "fate", "cause"), [
    (PANIC, "the machine ended", "the kernel panicked in sysrq_handle_crash < __handle_sysrq < write_sysrq_trigger: "),
    (OOPS, "the machine hangs", "the kernel oopsed in sysrq_handle_crash < __handle_sysrq: "),
    (MEMORY, "the machine hangs", "the kernel ran out of memory: "),
    ("all is fine", "the machine hangs", "the machine hangs: "),
    ("all is fine", "QEMU was killed by SIGKILL", "QEMU was killed by SIGKILL: "),
    ("Kernel panic - not syncing: VFS", "", "the kernel panicked: "),
    ("all is fine", "", ""),
])
def test_the_cause_comes_first(console: str, fate: str, cause: str) -> None:
    assert loss(console, fate) == f"{cause}the machine did not answer; the console ended with:\n{console}"


def test_the_same_death_is_the_same_at_another_time_and_address() -> None:
    other = PANIC.replace("3.7", "9.1").replace("+0x16/0x20", "+0x19/0x28").replace(".cold", ".isra.0.cold")
    assert loss(PANIC).partition(";")[0] == loss(other).partition(";")[0]


@pytest.mark.parametrize(("console", "expected"), [(OOPS, True), (PANIC, False), (MEMORY, False), ("", False)])
def test_a_kernel_that_oopsed_is_not_asked_on(console: str, expected: bool) -> None:
    assert oopsed(console) == expected


def test_no_terminal_obeys_a_console() -> None:
    assert loss("\x1bc\x1b[2J\x07SeaBIOS\x9b1m\r\nlast") == (
        "the machine did not answer; the console ended with:\nSeaBIOS1m\nlast")


def test_a_machine_that_said_nothing_has_no_console() -> None:
    assert loss("", "the machine ended") == "the machine ended: the machine did not answer"
