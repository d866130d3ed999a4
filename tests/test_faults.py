"""What goes wrong is told apart, costs no other cell, and leaves nothing behind; on a real kernel."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import project
import pytest

from ksem import cache, store

COLUMN = "debian-5.10"
PANICS = project.FINE.replace('return {"uid": lab.getuid()}', 'lab.write_file("/proc/sysrq-trigger", "c")')
RAISES = project.FINE.replace("lab.getuid()", "lab.rmdir('not there')")
ESCAPES = '''"""A descendant that leaves its session and its parent, and a case that never ends."""
from ksem.guest.case import Case

CASE = Case(claim="Nothing outlives its case.", cites=("fork(2)",), expect={}, params={"how": ("loops", "blocks")},
            deadline=1.0)
SETSID, S_IFIFO = 112, 0o10000


def observe(lab, how):
    parent = lab.fork("parent")
    parent.task.calls([(SETSID,)])
    child = parent.fork("child")
    child.task.calls([(SETSID,)])
    child.setresuid(4242, 4242, 4242)
    lab.mknod("fifo", S_IFIFO | 0o600, 0)
    if how == "blocks":
        lab.open("fifo", 0, 0)
    while True:
        pass
'''
# A process of the machine's own may end between the list and the look at it.
LEFT = '''"""Whether a process with that user is there."""
from ksem.guest.case import Broken, Case

CASE = Case(claim="Nothing outlives its case.", cites=("fork(2)",), expect={"escaped": False})


def observe(lab):
    return {"escaped": any(is_left(lab, name) for name in lab.list_directory("/proc") if name.isdigit())}


def is_left(lab, name):
    try:
        return "Uid:\\t4242\\t" in lab.read_file("/proc/%s/status" % name)
    except Broken:
        return False
'''


LEAVES = '''"""Two runs on one disk, each of which leaves something."""
from ksem.guest.case import Case

CASE = Case(claim="A disk is empty.", cites=("mkfs(8)",), params={"run": (1, 2), "fs": ("ext4", "xfs", "btrfs")},
            expect={"found": [], "mode": "00755"}, needs=lambda run, fs: ("root", "fs:" + fs))


def observe(lab, run, fs):
    lab.filesystem(fs, "disk")
    found = {"found": lab.list_directory("disk"), "mode": lab.status("disk")["mode"]}
    lab.mkdir("disk/left", 0o700)
    lab.file("disk/left/file", 0o4755, 5, 5)
    lab.chmod("disk", 0o1777)
    return found
'''


def cells(results: Path) -> dict[str, tuple[str, str]]:
    return {cell.case: (cell.status, cell.reason) for one in store.read(results) for cell in one.cells}


def test_a_panic_costs_one_cell(tmp_path: Path) -> None:
    made = project.make(tmp_path, a_fine=project.FINE, b_panics=PANICS, c_fine=project.FINE, d_raises=RAISES)
    ended = project.ksem(made, "run", COLUMN)
    assert ended.returncode == 1
    found = cells(made / "results")
    assert {case: status for case, (status, _) in found.items()} == {
        "made.a_fine": "observed", "made.b_panics": "lost", "made.c_fine": "observed", "made.d_raises": "broken"}
    assert "Kernel panic - not syncing: sysrq triggered crash" in found["made.b_panics"][1]
    assert ended.stderr.count("trying again on another machine") == 1
    assert "ENOENT" in found["made.d_raises"][1]
    assert "Traceback" not in ended.stderr


def test_a_disk_keeps_nothing_for_the_next_item(tmp_path: Path) -> None:
    made = project.make(tmp_path, leaves=LEAVES)
    ended = project.ksem(made, "run", COLUMN)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [cell.status for one in store.read(made / "results") for cell in one.cells] == ["observed"] * 6


@pytest.mark.parametrize("column", [COLUMN, "local"])
def test_a_deadline_ends_a_case_with_all_its_descendants(tmp_path: Path, column: str) -> None:
    made = project.make(tmp_path, a_escapes=ESCAPES, b_left=LEFT)
    ended = project.ksem(made, "run", column)
    assert "lost" not in ended.stdout
    found = cells(made / "results")
    assert found["made.a_escapes"] == ("broken", "no answer within 1 s")
    assert found["made.b_left"][0] == "observed"
    *escaped, left = store.read(made / "results")[0].cells
    assert [cell.status for cell in escaped] == ["broken", "broken"]
    assert left.observation == {"escaped": False}


def test_a_kernel_that_never_answers_is_no_verdict(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    ended = project.ksem(made, "run", COLUMN, "local", "--cold", "--boot-deadline", "0.2", "-n", "2")
    assert ended.returncode == 1
    assert "lost: the kernel did not answer within 0.2 s" in ended.stdout
    assert not (made / "results" / f"{COLUMN}.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    made = project.make(tmp_path, fine=project.FINE, waits=project.FINE.replace("return", "while True: pass\n    return"))
    run = subprocess.Popen([sys.executable, "-m", "ksem", "run", COLUMN], cwd=made, env=project.environment(),
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stderr is not None
    for line in run.stderr:
        if "restored" in line or "booted" in line:
            break
    machines = processes_of(made)
    assert machines
    if number is signal.SIGINT:
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    run.communicate()
    for descriptor in machines:
        assert ended(descriptor)
        os.close(descriptor)
    assert [one.column for one in store.read(made / "results")] in ([], [COLUMN])
    assert [path.name for path in (made / "results").glob(".*")] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_while_its_machine_is_saved_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Before pytest is there: it has begun to start the only machine."""
    made, home = project.make(tmp_path / "made", fine=project.FINE), tmp_path / "cache" / "ksem"
    (home / "snapshots").mkdir(parents=True)
    for name in ("debian", "disks", "modules"):
        (home / name).symlink_to(cache.directory(name))
    run = subprocess.Popen([*project.COMMAND, "run", COLUMN], cwd=made, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                           env={**project.environment(), "XDG_CACHE_HOME": str(home.parent)}, text=True)
    while run.poll() is None and not list((home / "snapshots").glob(".*")):
        pass
    run.send_signal(number)
    _, errors = run.communicate()
    assert run.returncode in (0, 130), errors
    assert "Traceback" not in errors
    assert list((home / "snapshots").glob(".*")) == []
    assert processes_of(made) == []


# As many as a run of some seconds has.
SETS = project.FINE.replace("expect=", "params={'number': tuple(range(40))}, expect=").replace("(lab)", "(lab, number)")


@pytest.mark.parametrize("moment", range(5))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_may_be_ended_at_any_moment(tmp_path: Path, number: signal.Signals, moment: int) -> None:
    """Whatever it is at: it starts, restores, runs, stores, or is over."""
    made = project.make(tmp_path / "made", a_panics=PANICS, b_sets=SETS, c_sets=SETS)
    files = tmp_path / "files"
    files.mkdir()
    command = [*project.COMMAND, "run", COLUMN, "debian-7.3", "-n", "2"]
    # Before that, perhaps not even Python has started: test_cli.py has what is ours of it.
    patience = random.uniform(0.3, 6.0)
    run = subprocess.Popen(command, cwd=made, env={**project.environment(), "TMPDIR": str(files)}, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        run.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, number) if number is signal.SIGINT else run.send_signal(number)
    said = run.communicate()[1]
    machines = processes_of(made)
    when = f"{number.name} after {patience} s; {said}"
    assert all(ended(machine) for machine in machines), when
    for machine in machines:
        os.close(machine)
    assert "Traceback" not in said, when
    assert {one.column for one in store.read(made / "results")} <= {COLUMN, "debian-7.3"}, when
    assert list(files.iterdir()) == list((made / "results").glob(".*")) == [], when


def processes_of(directory: Path) -> list[int]:
    """A descriptor of every QEMU that has this directory in its arguments."""
    def is_one(process: Path) -> bool:
        words = (process / "cmdline").read_bytes()
        return str(directory).encode() in words and b"qemu-system" in words.split(b"\0")[0]

    return processes(is_one)


def processes(fits: Callable[[Path], bool]) -> list[int]:
    """A descriptor of every process whose directory in /proc fits; those that end meanwhile do not."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if fits(path):
                found.append(os.pidfd_open(int(path.name)))
    return found


def ended(descriptor: int) -> bool:
    """Whether a process ends, waiting for it: its descriptor becomes readable."""
    return bool(select.select([descriptor], [], [], 20.0)[0])


@pytest.mark.parametrize(("arguments", "named"), [
    (("debian-6.13x",), "unknown column 'debian-6.13x'"),
    (("debain-6.12",), "did you mean debian-6.12?"),
    (("image:pyproject.toml",), "is no bzImage"),
    (("image:missing",), "No such file or directory"),
    (("local", "-k", "nothing_like_it"), "no case matches -k 'nothing_like_it'"),
])
def test_a_wrong_argument_is_one_line(tmp_path: Path, arguments: tuple[str, ...], named: str) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    (made / "vms").mkdir()
    (made / "vms" / "catalog.toml").write_text('["debian-6.12"]\nbackend = "qemu"\nkernel = "debian:6.12"\n')
    wrong = project.ksem(made, "run", *arguments)
    assert wrong.returncode == 2
    assert named in wrong.stderr
    assert wrong.stderr.count("\n") == 1
    assert not (made / "results").exists()


def test_a_missing_program_is_one_line(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    missing = subprocess.run([sys.executable, "-m", "ksem", "run", COLUMN], cwd=made, check=False, text=True,
                             env={**project.environment(), "PATH": "/nowhere"}, capture_output=True)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == "ksem: qemu-system-x86_64 is missing: apt-get install qemu-system-x86\n"


def test_a_results_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    project.ksem(made, "run", "local")
    path = made / "results" / "local.json"
    half = path.read_bytes()[:300]
    path.write_bytes(half)
    assert project.ksem(made, "matrix").returncode == 2
    again = project.ksem(made, "run", "local")
    assert again.returncode == 0
    assert "set aside as local.json.aside-1" in again.stderr
    assert (made / "results" / "local.json.aside-1").read_bytes() == half
