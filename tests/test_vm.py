"""A machine is held to what it may take of the host, however it behaves.

Guards: a guest that prints without end must not fill the disk that its console's log is on.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import project
import pytest

from ksem import backends, catalog, kernels, vm
from ksem.backends import qemu
from ksem.machine import Request
from ksem.model import Lost

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
