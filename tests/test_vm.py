"""A machine is held to what it may take of the host, however it behaves.

Guards: a guest that prints without end must not fill the disk that its console's log is on.
"""

from __future__ import annotations

import dataclasses
import select
from collections.abc import Collection
from pathlib import Path
from typing import Any

import project
import pytest

from ksem import backends, catalog, kernels, vm
from ksem.backends import qemu
from ksem.machine import Request
from ksem.model import Lost
from ksem.qmp import Monitor, MonitorError
from ksem.vm import VirtualMachine

PRINTS = """
def observe(lab):
    console = lab.open("/dev/ttyS0", 0o401, 0)
    for _ in range(100):
        lab.write(console, "x" * 2000, 2000)
    return {}
"""


def test_a_machine_that_shares_no_memory_runs_its_cases_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "_sharing", lambda *_: [])
    column = catalog.column("debian-5.10", catalog.entries(project.ROOT))
    kernel = kernels.source_of(column).resolve(column, print)
    said: list[str] = []
    with backends.machine(qemu, column, kernel, frozenset(), tmp_path / "console.log", said.append) as running:
        assert running.came.startswith("booted")
        assert running.machine.environment(())["caller"] == "root"
        found = running.machine.run(Request("made.fine", project.FINE, {}, ("root", "userns"), 60.0))
    assert (found.status, found.observation) == ("observed", {"uid": 0})
    assert said == [f"{kernel.release} cannot be directed from outside: booting it with an interpreter"]


GREEDY = """
def observe(lab):
    return {"uid": "x" * (3 << 30)}
"""


def test_a_director_takes_no_more_memory_than_it_may(tmp_path: Path) -> None:
    column = catalog.column("debian-5.10", catalog.entries(project.ROOT))
    kernel = kernels.source_of(column).resolve(column, print)
    with backends.machine(qemu, column, kernel, frozenset(), tmp_path / "console.log", print) as running:
        answer = running.machine.run(Request("made.greedy", GREEDY, {}, ("root",), 20.0))
    assert (answer.status, answer.reason) == ("broken", "MemoryError: ")


def test_a_machine_that_prints_without_end_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "LARGEST", 1 << 16)
    # Not restored: a machine that is to be kept is a large file too.
    column = dataclasses.replace(catalog.column("debian-5.10", catalog.entries(project.ROOT)), cold=True)
    kernel = kernels.source_of(column).resolve(column, print)
    log = tmp_path / "console.log"
    with backends.machine(qemu, column, kernel, frozenset(), log, print) as running:
        assert running.machine.run(Request("made.prints", PRINTS, {}, ("root",), 60.0)).status == "observed"
    assert log.stat().st_size == 1 << 16


def test_a_machine_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    column = dataclasses.replace(catalog.column("debian-5.10", catalog.entries(project.ROOT)), cold=True)
    kernel = kernels.source_of(column).resolve(column, print)
    with pytest.raises(Lost, match=r"QEMU ended the conversation: .*: No such file or directory"), \
            backends.machine(qemu, column, kernel, frozenset(["xfs"]), tmp_path / "console.log", print):
        pass


def test_a_machine_that_cannot_be_spoken_to_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(monitor: Monitor) -> None:
        raise MonitorError("QEMU does not listen")

    monkeypatch.setattr(Monitor, "begin", deaf)
    with pytest.raises(Lost, match="does not listen"), vm.booted(b"", b"", {}, "tcg", tmp_path / "console.log"):
        pass


@pytest.mark.parametrize("name", project.COLUMNS)
@pytest.mark.parametrize("before", [0, 1, 2])
def test_disks_are_plugged_in_when_one_is_needed_and_all_of_them(name: str, before: int, tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    plugged: list[list[str]] = []
    plug = VirtualMachine.plug

    def noted(self: VirtualMachine, names: Collection[str]) -> None:
        plugged.append(list(names))
        plug(self, names)

    monkeypatch.setattr(VirtualMachine, "plug", noted)
    column = catalog.column(name, catalog.entries(project.ROOT))
    kernel = kernels.source_of(column).resolve(column, print)
    found = []
    with backends.machine(qemu, column, kernel, frozenset(["ext4", "xfs"]), tmp_path / "console.log", print) as running:
        # However often its machine has waited before.
        for needs in (*[("root",), ("fs:tmpfs",)][:before], ("fs:xfs",), ("fs:ext4", "root")):
            assert running.machine.run(Request("made.fine", project.FINE, {}, needs, 60.0)).observation == {"uid": 0}
            found.append(len(plugged))
    assert found == [*[0] * before, 1, 1]
    assert plugged == [["ext4", "xfs"]]


def test_memory_that_nobody_uses_is_cleared(tmp_path: Path) -> None:
    column = dataclasses.replace(catalog.column("debian-5.10", catalog.entries(project.ROOT)), cold=True)
    kernel = kernels.source_of(column).resolve(column, print)
    with backends.machine(qemu, column, kernel, frozenset(), tmp_path / "console.log", print) as running:
        # Of 256 MB; more than once, and it is still there.
        assert [running.machine.clear() > 100 << 20 for _ in range(3)] == [True] * 3
        assert running.machine.run(Request("made.fine", project.FINE, {}, ("root",), 60.0)).observation == {"uid": 0}


def test_a_machine_may_have_booted_before_anybody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[VirtualMachine] = []
    init = VirtualMachine.__init__

    def noted(self: VirtualMachine, *given: Any) -> None:
        started.append(self)
        init(self, *given)

    monkeypatch.setattr(VirtualMachine, "__init__", noted)
    column = dataclasses.replace(catalog.column("debian-5.10", catalog.entries(project.ROOT)), cold=True)
    kernel = kernels.source_of(column).resolve(column, print)
    with qemu.begun(column, kernel, frozenset(), tmp_path / "console.log", print) as coming:
        coming.step()
        assert select.select([started[0]._ways.bell], [], [], 60.0)[0]
        running = coming.running()
        assert running.machine.run(Request("made.fine", project.FINE, {}, ("root",), 60.0)).observation == {"uid": 0}
