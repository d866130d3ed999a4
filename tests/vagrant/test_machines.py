"""A real Vagrant machine as a column: the same cases, the same bytes each time, and nothing of it left behind.

Guards: a machine is left as it was found; what kills a run, or the connection in the middle of a case, costs no more than that;
each mistake is one line. Run by `make test-vagrant`, which brings box and libvirt.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import project
import pytest

from ksem import store
from ksem.model import Evidence

COLUMN, MACHINE = "debian-12-vagrant", "debian-12"
OTHER_KERNEL = "debian-12-vagrant-on-6.12"
VMS = project.ROOT / "vms"
POOL = "default"
# Of the names of domains and their disks, as the Vagrantfile makes it.
PREFIX = f"ksem-{hashlib.sha256(str(VMS).encode()).hexdigest()[:8]}_"
LOSING = project.FINE.replace("def observe(lab):\n", '''def observe(lab):
    import subprocess
    subprocess.call(["pkill", "-KILL", "-u", "vagrant", "sshd"])
''')


def vagrant(*arguments: str) -> str:
    """A command of Vagrant's in the project's vms/."""
    return subprocess.run(["vagrant", *arguments], cwd=VMS, check=True, capture_output=True, text=True).stdout


def state() -> str:
    """The machine's state, as Vagrant names it."""
    lines = vagrant("status", MACHINE, "--machine-readable").splitlines()
    return next(line.split(",")[3] for line in lines if ",state," in line)


def virsh(*arguments: str) -> str:
    """A command to the libvirt that Vagrant uses."""
    command = ["virsh", "-q", "-c", "qemu:///system", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def volumes() -> set[str]:
    """What the pool holds, by name."""
    return {line.split()[0] for line in virsh("vol-list", POOL).splitlines() if line.strip()}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def kept(results: Path) -> Iterator[subprocess.CompletedProcess[str]]:
    """The first run of all cases, which leaves the machine running for the tests; destroyed in the end."""
    vagrant("destroy", "-f", MACHINE)
    try:
        yield project.ksem(project.ROOT, "run", COLUMN, "--keep", "--results", str(results))
    finally:
        vagrant("destroy", "-f", MACHINE)


@pytest.fixture
def own(tmp_path: Path, kept: object) -> Path:
    """A project with cases of its own and the machines of this one."""
    made = project.make(tmp_path / "project", fine=project.FINE, losing=LOSING)
    (made / "vms").symlink_to(VMS)
    return made


def test_all_cases_are_as_expected(kept: subprocess.CompletedProcess[str], results: Path) -> None:
    assert kept.returncode == 0, kept.stdout + kept.stderr
    found = store.read_column(results / f"{COLUMN}.json")
    statuses = Counter(cell.status for cell in found.cells)
    assert set(statuses) == {"observed", "unsupported"}
    assert statuses["observed"] > 10 * statuses["unsupported"]
    assert found.environment["os"].startswith("Debian GNU/Linux 12")
    assert "apparmor" in found.environment["lsm"]
    assert found.environment["root"] == "ext4 shared"


def test_the_same_release_shows_what_was_committed(kept: object, results: Path) -> None:
    committed = store.read_column(project.ROOT / "results" / f"{COLUMN}.json")
    found = store.read_column(results / f"{COLUMN}.json")
    assert committed.cells
    if found.release == committed.release:
        now = observations(found)
        # A case that is newer than the evidence has none yet.
        before = {cell: seen for cell, seen in observations(committed).items() if cell in now}
        assert before == {cell: now[cell] for cell in before}
        assert before


def observations(evidence: Evidence) -> dict[tuple[str, str], object]:
    """What was seen in each cell, by case and parameters."""
    return {(cell.case, json.dumps(dict(cell.params), sort_keys=True)): cell.observation for cell in evidence.cells}


def test_a_running_machine_is_used_and_left_and_shows_the_same_bytes(kept: object, results: Path) -> None:
    before = {path: path.read_bytes() for path in results.rglob("*.json")}
    ended = project.ksem(project.ROOT, "run", COLUMN, "-k", "bind_flags or overflow_ids", "--results", str(results))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "vagrant up" not in ended.stderr
    assert {path: path.read_bytes() for path in results.rglob("*.json")} == before
    assert state() == "running"


def test_a_connection_lost_in_a_case_costs_that_case_alone(own: Path) -> None:
    ended = project.ksem(own, "run", COLUMN)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    statuses = {cell.case: cell.status for cell in store.read_column(own / "results" / f"{COLUMN}.json").cells}
    assert statuses == {"made.fine": "observed", "made.losing": "lost"}
    again = project.ksem(own, "run", COLUMN, "-k", "fine")
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_machine_without_python_is_named_as_one(own: Path) -> None:
    python = "sudo sh -c 'cd /usr/bin && mv python3{} python3{}'"
    vagrant("ssh", MACHINE, "-c", python.format("", ".away"))
    try:
        ended = project.ksem(own, "run", COLUMN, "-k", "fine")
    finally:
        vagrant("ssh", MACHINE, "-c", python.format(".away", ""))
    assert ended.returncode == 1
    # The table breaks lines.
    assert "this machine has no python3: the agent needs Python 3.6 or newer" in " ".join(ended.stdout.split())
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_machine_that_runs_cannot_be_given_another_kernel(own: Path) -> None:
    ended = project.ksem(own, "run", OTHER_KERNEL, "-k", "fine")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "debian-12 was made with its own kernel, 6.1." in " ".join(ended.stdout.split())
    assert state() == "running"


@pytest.fixture
def absent(kept: object) -> Iterator[None]:
    """No machine, before and after."""
    vagrant("destroy", "-f", MACHINE)
    yield
    assert state() == "not_created"
    assert not [name for name in {*virsh("list", "--all", "--name").split(), *volumes()} if name.startswith(PREFIX)]


def test_what_a_killed_vagrant_left_in_libvirt_goes_with_the_next(absent: None, tmp_path: Path) -> None:
    """A domain that it had no time to note, with its disk, and a box that it copied in part."""
    domain, disk = f"{PREFIX}{MACHINE}", f"{PREFIX}{MACHINE}.img"
    copy = next(name for name in volumes() if name.startswith(f"ksem-VAGRANTSLASH-{MACHINE}_"))
    virsh("vol-delete", "--pool", POOL, copy)
    (tmp_path / "part").write_bytes(bytes(10_000_000))
    virsh("vol-create-as", POOL, copy, "4G")
    virsh("vol-upload", "--pool", POOL, copy, str(tmp_path / "part"))
    virsh("vol-create-as", POOL, disk, "1M")
    (tmp_path / "domain.xml").write_text(
        f"<domain type='qemu'><name>{domain}</name><memory>1024</memory><os><type>hvm</type></os><devices><disk type='file'>"
        f"<source file='{virsh('vol-path', '--pool', POOL, disk).strip()}'/><target dev='vda'/></disk></devices></domain>")
    virsh("define", str(tmp_path / "domain.xml"))
    vagrant("destroy", "-f", MACHINE)
    assert copy not in volumes()


def test_a_killed_run_is_cleared_away_by_the_next(absent: None, tmp_path: Path) -> None:
    """It boots the distribution with another kernel, too, and what it keeps is no machine for a column that means its own."""
    def ksem(column: str, *more: str) -> subprocess.CompletedProcess[str]:
        return project.ksem(project.ROOT, "run", column, "-k", "partly", "--results", str(tmp_path), *more)

    command = [*project.COMMAND, "run", OTHER_KERNEL, "-k", "partly", "--results", str(tmp_path)]
    run = subprocess.Popen(command, cwd=project.ROOT, env=project.environment(), stderr=subprocess.PIPE, start_new_session=True)
    said_it_goes_up(run)
    wait_for_a_machine()
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    ended = ksem(OTHER_KERNEL, "--keep")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "an earlier run was killed" in ended.stderr
    found = store.read_column(tmp_path / f"{OTHER_KERNEL}.json")
    assert found.release.startswith("6.12.")
    assert found.environment["os"].startswith("Debian GNU/Linux 12")
    refused = ksem(COLUMN)
    assert refused.returncode == 1
    assert "debian-12 was made with another kernel, 6.12." in " ".join(refused.stdout.split())
    again = ksem(OTHER_KERNEL)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "vagrant up" not in again.stderr
    vagrant("destroy", "-f", MACHINE)


def said_it_goes_up(run: subprocess.Popen[bytes]) -> None:
    assert run.stderr
    said = b""
    while b"vagrant up" not in said:
        assert select.select([run.stderr], [], [], 120.0)[0], said
        piece = os.read(run.stderr.fileno(), 65536)
        assert piece, said
        said += piece


def wait_for_a_machine() -> None:
    end = time.monotonic() + 120.0
    while state() == "not_created":
        assert time.monotonic() < end, "no machine came up"


MISTAKES = {
    "a machine that is not there": ("vagrant:debain-12", "did you mean debian-12?", None),
    "a Vagrantfile that is none": (COLUMN, "vagrant cannot tell its machines", "Vagrant.configure('2') do |config|\n"),
    "no Vagrantfile": (COLUMN, "Vagrantfile", ""),
}


@pytest.mark.parametrize(("column", "said", "vagrantfile"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(column: str, said: str, vagrantfile: str | None, tmp_path: Path) -> None:
    made = project.make(tmp_path / "project", fine=project.FINE)
    (made / "vms").mkdir()
    for name in ("catalog.toml", "Vagrantfile"):
        (made / "vms" / name).write_text((VMS / name).read_text())
    if vagrantfile:
        (made / "vms" / "Vagrantfile").write_text(vagrantfile)
    elif vagrantfile == "":
        (made / "vms" / "Vagrantfile").unlink()
    ended = project.ksem(made, "run", column)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert said in ended.stderr
    with contextlib.suppress(FileNotFoundError):
        assert list((made / "results").iterdir()) == []
