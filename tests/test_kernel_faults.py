"""Whatever a case does to its kernel, or befalls its machine, costs that case alone and is told for what it was.

Guards: a fault that is taken for an observation, that costs another case its cell, or that passes silently when a second try
answers.
"""

from __future__ import annotations

import base64
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import doctored
import project
import pytest
from test_faults import ended, processes, processes_of

from ksem import catalog, kernels, store
from ksem.model import Cell

COLUMN = "debian-5.10"


def faulty(body: str, more: str = "") -> str:
    """A case that does something to its kernel, and answers like the one that is fine."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    text = project.FINE.replace("cites=", f'needs=("root", "alone"), {more}cites=')
    text = text.replace("\n\n\ndef", "\nWRITE, CREATE, NOCTTY = 1, 0o100, 0o400\n\n\ndef")
    return text.replace("def observe(lab):\n", f"def observe(lab):\n{lines}")


# As much as a filesystem in memory takes, in ever smaller files.
FILLS = """for number in range(20):
    lab.attempt.fallocate(lab.open("{0}/filled-%d" % number, WRITE | CREATE, 0o600), 0, 0, 1 << 26 - 2 * (number // 4))
"""
FAULTS = {
    "panics": faulty('lab.write_file("/proc/sysrq-trigger", "c")\nlab.getuid()'),
    "reboots": faulty('lab.write_file("/proc/sysrq-trigger", "b")\nlab.getuid()'),
    # All processes but the first.
    "kills_all": faulty('lab.write_file("/proc/sysrq-trigger", "i")\nlab.getuid()'),
    "fills_the_root": faulty(FILLS.format("")),
    "takes_all_memory": faulty(f"""lab.mkdir("all", 0o700)
lab.mount("all", "all", "tmpfs", 0, "size=100%")
{FILLS.format("all")}"""),
    "floods_the_host": faulty('return {"uid": "x" * (10 << 20)}'),
    "unmounts_proc": faulty('lab.umount2("/proc", 2)'),
    "writes_to_the_line": faulty("""line = lab.open("/dev/ttyS1", WRITE | NOCTTY, 0)
for text in ("garbage", "00000000 . {}", "00000000 : 0 10", "00000000 : 99999999 -1", "ack", "\\xff" * 100):
    lab.write(line, text + "\\n", len(text) + 1)"""),
    "never_ends": faulty("while True:\n    pass", more="deadline=0.5, "),
    "calls_for_ever": faulty("while True:\n    lab.getuid()", more="deadline=60.0, "),
}
# Has the kernel run instructions of ours, as the init function of a module.
LOADS = """import base64
module = base64.b64decode("{0}")
{1}
lab.getuid()
arena = lab.task.arena
arena.clear()
INIT_MODULE = 175
result, = lab.task.calls([(INIT_MODULE, arena.put(module), len(module), arena.text(""))])"""
# cli; jmp to itself. xor eax,eax; mov [rax],ecx; a nop.
HANG, OOPS = b"\xfa\xeb\xfe", b"\x31\xc0\x89\x08\x90"
OBSERVED = ("observed", "")
def loading(instructions: bytes, first: str = "", more: str = "") -> str:
    """A case that loads a module with these instructions. first: is done before."""
    column, = catalog.columns(project.ROOT, [COLUMN])
    directory = kernels.source_of(column).resolve(column, print).modules
    assert directory is not None
    module = doctored.module(directory, "dummy", instructions)
    return faulty(LOADS.format(base64.b64encode(module).decode(), first), more)


# Their verdicts, and how their reasons begin.
EXPECTED = {
    "panics": ("lost", "the kernel panicked in sysrq_handle_crash < __handle_sysrq < write_sysrq_trigger: "),
    "reboots": ("lost", "the machine ended: "), "kills_all": ("lost", "the machine ended: "),
    "takes_all_memory": ("lost", "the kernel ran out of memory"),
    "turns_interrupts_off": ("lost", "the machine hangs: "),
    "oopses": ("lost", "the kernel oopsed in dummy_init_module: the machine went on; "),
    "oopses_and_panics": ("lost", "the kernel panicked in dummy_init_module: "),
    "fills_the_root": OBSERVED, "unmounts_proc": OBSERVED, "writes_to_the_line": OBSERVED,
    "floods_the_host": ("broken", "no answer"), "never_ends": ("broken", "no answer within 0.5 s"),
    "calls_for_ever": ("broken", "RuntimeError: a case may make 5000 calls"),
}


def cells(results: Path) -> dict[str, Cell]:
    return {cell.case.partition(".")[2]: cell for one in store.read(results) for cell in one.cells}


def left_behind(made: Path) -> list[str]:
    """What a run must not leave: machines, and files that are not finished."""
    return [*map(str, processes_of(made)), *(str(path) for path in (made / "results").rglob(".*"))]


def test_each_fault_costs_its_own_case(tmp_path: Path) -> None:
    """Between any two of them is a case that is fine."""
    faults = {**FAULTS, "turns_interrupts_off": loading(HANG, more="deadline=0.5, "), "oopses": loading(OOPS),
              "oopses_and_panics": loading(OOPS, 'lab.write_file("/proc/sys/kernel/panic_on_oops", "1")')}
    assert set(faults) == set(EXPECTED)
    fine = {f"{name}_then_fine": project.FINE for name in faults}
    made = project.make(tmp_path, **faults, **fine)
    done = project.ksem(made, "run", COLUMN)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    found = cells(made / "results")
    assert {name: found[name].status for name in fine} == dict.fromkeys(fine, "observed")
    assert {name: found[name].status for name in EXPECTED} == {name: status for name, (status, _) in EXPECTED.items()}
    for name, (_, reason) in EXPECTED.items():
        assert found[name].reason.startswith(reason)
    assert "Kernel panic - not syncing: sysrq triggered crash" in found["panics"].reason
    assert "Out of memory: Killed process" in found["takes_all_memory"].reason
    assert done.stderr.count("trying again on another machine") == 7
    assert left_behind(made) == []


# Tells on the console that it is there, and is about to need its machine for longer than it takes to end that.
TELLS = faulty("""lab.write_file("/dev/console", "the case is there")
lab.getuid()
for _ in range(40):
    sum(range(5000000))""", more="deadline=20.0, ")


def wait_for(condition: Callable[[], bool], patience: float = 60.0) -> None:
    """Until it holds, and not for ever."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        select.select([], [], [], 0.01)


@pytest.mark.parametrize(("number", "fate"), [(signal.SIGKILL, "killed by SIGKILL"), (signal.SIGSTOP, "stopped")])
def test_a_machine_that_is_ended_or_stopped_once_makes_its_case_flaky(tmp_path: Path, number: signal.Signals,
                                                                      fate: str) -> None:
    made = project.make(tmp_path, a_fine=project.FINE, b_tells=TELLS, c_fine=project.FINE)
    log = made / "results" / "logs" / f"{COLUMN}.log"
    run = subprocess.Popen([*project.COMMAND, "run", COLUMN], cwd=made, env=project.environment(), text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: log.exists() and b"the case is there" in log.read_bytes())
    machine, = processes_of(made)
    signal.pidfd_send_signal(machine, number)
    shown, said = run.communicate()
    assert ended(machine)
    os.close(machine)
    assert run.returncode == 1
    found = cells(made / "results")
    assert {name: cell.status for name, cell in found.items()} == {
        "a_fine": "observed", "b_tells": "flaky", "c_fine": "observed"}
    assert found["b_tells"].observation is None
    assert found["b_tells"].reason.startswith("observed at the second try, lost at the first: QEMU was " + fate)
    assert "flaky" in shown
    assert said.count("trying again on another machine") == 1
    assert left_behind(made) == []


def directors(run: int) -> list[int]:
    """Descriptors of the interpreters, without site-packages, that a run has begun."""
    def is_one(process: Path) -> bool:
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        return parent == run and b"-IS" in (process / "cmdline").read_bytes().split(b"\0")

    return processes(is_one)


def test_a_director_that_is_killed_once_makes_its_case_flaky(tmp_path: Path) -> None:
    made = project.make(tmp_path, a_fine=project.FINE, b_tells=TELLS, c_fine=project.FINE)
    log = made / "results" / "logs" / f"{COLUMN}.log"
    run = subprocess.Popen([*project.COMMAND, "run", COLUMN], cwd=made, env=project.environment(), text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: log.exists() and b"the case is there" in log.read_bytes())
    director, = directors(run.pid)
    signal.pidfd_send_signal(director, signal.SIGKILL)
    os.close(director)
    said = run.communicate()[1]
    assert run.returncode == 1
    found = cells(made / "results")
    assert {name: cell.status for name, cell in found.items()} == {
        "a_fine": "observed", "b_tells": "flaky", "c_fine": "observed"}
    assert "the director did not answer: the other side is gone" in found["b_tells"].reason
    assert said.count("trying again on another machine") == 1
    assert left_behind(made) == []


CLEAN = faulty("""name = "/proc/sys/kernel/hostname"
if "dirty" in lab.read_file(name):
    return {"uid": 1}""", more="params={'run': (1, 2)}, ").replace("observe(lab)", "observe(lab, run)")
DIRTIES = CLEAN.replace('    return {"uid": lab', '    lab.write_file(name, "dirty")\n    return {"uid": lab')
SAYS_SO = DIRTIES.replace("needs=", "dirties_kernel=True, needs=")


def test_what_dirties_its_kernel_has_it_to_itself(tmp_path: Path) -> None:
    made = project.make(tmp_path, a_clean=CLEAN, b_dirty=SAYS_SO, c_clean=CLEAN)
    done = project.ksem(made, "run", COLUMN)
    assert done.returncode == 0, done.stdout + done.stderr
    # One for what is before, one for each that dirties it, one for what comes after.
    assert done.stderr.count(f"{COLUMN}: restored") + done.stderr.count(f"{COLUMN}: booted") == 4


def test_each_case_has_a_kernel_to_itself_when_that_is_wanted(tmp_path: Path) -> None:
    """Which the one that dirties its kernel, and does not say so, would show."""
    made = project.make(tmp_path, a_dirty=DIRTIES, b_clean=CLEAN)
    assert project.ksem(made, "run", COLUMN).returncode == 1
    apart = project.ksem(made, "run", COLUMN, "--isolate")
    assert apart.returncode == 0, apart.stdout + apart.stderr
