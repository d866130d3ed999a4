"""Columns spread over two hosts by ssh, each in network, process and mount namespaces of its own; real kernels run there.

Guards: evidence must not tell where it was seen; a host that is lost, killed or merely silent, costs the others nothing,
blames nothing but what it was at, and is never a verdict about a kernel.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hosts
import project
import pytest
from hosts import Hosts
from test_faults import ended, processes
from test_store import files

import ksem
from ksem import store

COLUMNS = ("debian-5.10", "debian-6.12")
# Nothing answers within its deadline: a host is lost while it is at one of these.
LOOPS = project.FINE.replace("return", "while True: pass\n    return").replace('{"uid": 0})', '{"uid": 0}, deadline=4.0)')
ASKED = "-o ServerAliveInterval=1 -o ServerAliveCountMax=2"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return project.make(tmp_path / "here", fine=project.FINE)


@pytest.fixture
def two(tmp_path: Path, made: Path) -> Iterator[Hosts]:
    """Two hosts, which see neither the project nor this ksem, nor one that their Python may have been given."""
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    installed = {Path(ksem.__file__).parent, *(Path(one) / "ksem" for one in installed_from())}
    (tmp_path / "there").mkdir()
    with hosts.made(tmp_path / "there", ["one", "two"], [made, *(one for one in installed if one.is_dir())]) as found:
        yield found


def installed_from() -> set[str]:
    """Where the Python of these tests finds ksem by itself."""
    where = "import ksem; print(ksem.__path__[0])"
    found = subprocess.run([sys.executable, "-c", where], cwd="/", capture_output=True, text=True, check=True,
                           env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"})
    return {str(Path(found.stdout.strip()).parent)}


def results_on(found: Hosts, name: str) -> Path:
    """What would be results/ on a host."""
    return Path(f"/proc/{found.known[name].process}/root/srv/ksem/results")


def columns_on(found: Hosts, name: str) -> set[str]:
    """The columns that a host has run, by the logs of their consoles."""
    return {column for column in COLUMNS if (results_on(found, name) / "logs" / f"{column}.log").exists()}


def workers(found: Hosts, options: str = "") -> list[str]:
    return [f"--tx={found.worker(name, options)}" for name in found.known]


def test_two_hosts_share_the_columns_and_the_evidence_is_that_of_one(tmp_path: Path, made: Path, two: Hosts) -> None:
    done = two.ksem(made, "run", *COLUMNS, *workers(two), "-q")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert sorted(column for name in two.known for column in columns_on(two, name)) == list(COLUMNS)
    assert all(len(columns_on(two, name)) == 1 for name in two.known)
    assert all([path.name for path in results_on(two, name).iterdir()] == ["logs"] for name in two.known)
    alone = project.ksem(made, "run", *COLUMNS, "--results", str(tmp_path / "alone"), "-q")
    assert alone.returncode == 0
    assert evidence_of(made / "results") == evidence_of(tmp_path / "alone")


def evidence_of(directory: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(directory).items() if name.endswith(".json")}


def test_pytest_alone_takes_hosts_too(made: Path, two: Hosts) -> None:
    """As one types it, from within the project, with a path that is no absolute one, and beside a worker of this machine."""
    command = [sys.executable, "-m", "pytest", "made/fine.py", "--column", COLUMNS[0], "--tx", "popen", *workers(two)]
    done = subprocess.run(two.inside(*command), cwd=made / "cases", env=project.environment() | hosts.SBIN, capture_output=True,
                           text=True, check=False)
    assert (done.returncode, "1 passed in" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_host_that_cannot_be_reached_is_told_of_and_left_out(made: Path, two: Hosts) -> None:
    two.known["two"].kill()
    done = two.ksem(made, "run", COLUMNS[0], *workers(two, "-o ConnectTimeout=1"))
    assert (done.returncode, "1 passed in" in done.stdout) == (0, True), done.stdout + done.stderr
    [line] = [line for line in done.stderr.splitlines() if "left out" in line]
    assert line.startswith("two is left out: ssh: connect to host 10.0.2.2 port 22: ")


@pytest.mark.parametrize(("python", "told"), [
    ("/nowhere/python", "/nowhere/python: No such file or directory"),
    (os.path.realpath(sys.executable), "its Python (python= says which) has no ksem: pip install ksem there"),
])
def test_without_any_host_nothing_is_run(made: Path, two: Hosts, python: str, told: str) -> None:
    done = two.ksem(made, "run", COLUMNS[0], f"--tx=ssh=one//ssh_config={two.config}//python={python}")
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("one is left out: ")]
    assert line.endswith(told)
    assert "Traceback" not in done.stderr + done.stdout
    assert files(made / "results") == {}


def test_a_directory_that_cannot_be_had_leaves_its_host_out(made: Path, two: Hosts) -> None:
    spec = two.worker("one").replace("chdir=/srv/ksem", "chdir=/proc/x")
    done = two.ksem(made, "run", COLUMNS[0], f"--tx={spec}", f"--tx={two.worker('two')}")
    assert (done.returncode, "1 passed in" in done.stdout) == (0, True), done.stdout + done.stderr
    [line] = [line for line in done.stderr.splitlines() if "left out" in line]
    assert line == "one is left out: chdir=/proc/x cannot be made: No such file or directory"


@pytest.mark.parametrize(("spec", "told"), [
    ("nonsense", "--tx nonsense names no worker: it should look like ssh=HOST//python=PATH"),
    ("ssh=one//ssh=two", "duplicate key: 'ssh'"), ("ssh=nowhere.invalid", "no host can be worked on: nowhere.invalid: ssh: "),
])
def test_a_worker_that_is_none_is_a_line(made: Path, spec: str, told: str) -> None:
    done = project.ksem(made, "run", COLUMNS[0], "--tx", spec, "-q")
    assert (done.returncode, done.stdout.replace("bringing up nodes...\n", "")) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_controller_that_is_killed_leaves_nothing_on_hosts(made: Path, two: Hosts) -> None:
    (made / "cases" / "made" / "fine.py").write_text(LOOPS.replace("4.0", "600.0"))
    command = two.inside(*project.COMMAND, "run", COLUMNS[0], f"--tx={two.worker('one')}")
    with subprocess.Popen(command, cwd=made, env=project.environment() | hosts.SBIN, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert any("booted" in line or "restored" in line for line in run.stderr)
        machines = processes_on(two, "one", b"qemu-system")
        assert machines
        run.kill()
    for descriptor in machines:
        assert ended(descriptor)
        os.close(descriptor)
    for descriptor in processes_on(two, "one", b"-c\0import sys;exec"):
        assert ended(descriptor)
        os.close(descriptor)


def processes_on(found: Hosts, name: str, words: bytes) -> list[int]:
    """A descriptor of every process on a host with these words in its arguments."""
    namespace = os.readlink(f"/proc/{found.known[name].process}/ns/pid")
    return processes(lambda process: os.readlink(process / "ns" / "pid") == namespace
                     and words in (process / "cmdline").read_bytes())


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_a_lost_host_costs_only_what_it_was_at(made: Path, two: Hosts, how: str) -> None:
    theirs, status, told = ended_without(made, two, how, ["one"], first="a")
    assert status == 1
    assert told.count("one is left out: ") == 1
    [lost] = theirs
    for one in store.read(made / "results"):
        found = Counter(cell.status for cell in one.cells)
        if one.column != lost:
            assert found == {"observed": 1, "broken": 3}
        else:
            # The other host has taken the column over, from what was run as the first was lost.
            assert found == {"flaky": 1, "broken": 2, "observed": 1}
            [reason] = [cell.reason for cell in one.cells if cell.status == "flaky"]
            assert reason.endswith("at the second try, lost at the first: the worker on one went away")


def test_where_all_hosts_are_lost_what_they_did_not_show_is_lost(made: Path, two: Hosts) -> None:
    theirs, status, told = ended_without(made, two, "killed", ["one", "two"], first="z")
    assert (theirs, status) == (set(COLUMNS), 1)
    assert told.count(" is left out: ") == 2
    stored = {one.column: one.cells for one in store.read(made / "results")}
    for column in COLUMNS:
        # What had not shown anything yet is not stored: nobody knows of which release it would have been.
        lost = sum(cell.status == "lost" for cell in stored.get(column, ())) or 4 * (column not in stored)
        assert lost > 0
        assert len(stored.get(column, "four")) == 4
        assert re.search(rf"^{re.escape(column)} .* {lost}( |$)", told, re.MULTILINE)


def ended_without(made: Path, found: Hosts, how: str, lost: list[str], first: str) -> tuple[set[str], int, str]:
    """A run whose hosts are lost as soon as all machines are up. Their columns, its status, all that it printed.

    first: how the names of the cases begin that loop. A machine comes up in its first case, so that a host is lost in one of
    those that come before `fine`, and in any, or between two, of those that come after it.
    """
    # Both are restored then, and no machine has run all it has while the other still boots.
    assert project.ksem(made, "run", *COLUMNS, "--results", str(found.directory / "before")).returncode == 0
    for number in range(3):
        (made / "cases" / "made" / f"{first}_loops_{number}.py").write_text(LOOPS)
    command = found.inside(*project.COMMAND, "run", *COLUMNS, *workers(found, ASKED))
    with subprocess.Popen(command, cwd=made, env=project.environment() | hosts.SBIN, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        up: set[str] = set()
        while up != set(COLUMNS):
            line = run.stderr.readline()
            assert line, "it ended before all machines were up"
            up |= {column for column in COLUMNS if line.startswith((f"{column}: booted", f"{column}: restored"))}
        theirs = {column for name in lost for column in columns_on(found, name)}
        for name in lost:
            if how == "killed":
                found.known[name].kill()
            else:
                found.cut(name)
        out, err = run.communicate()
    assert "INTERNALERROR" not in out + err
    assert "Traceback" not in out + err
    print(out, err)
    return theirs, run.returncode, out + err


def test_a_worker_that_dies_here_is_replaced_and_what_it_was_at_is_flaky(made: Path) -> None:
    (made / "cases" / "made" / "a_loops.py").write_text(LOOPS)
    with subprocess.Popen([*project.COMMAND, "run", "local", COLUMNS[0], "-n", "2"], cwd=made, env=project.environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert any("booted" in line or "restored" in line for line in run.stderr)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        machine = next(child for child in children
                       if "qemu" in subprocess.run(["ps", "--ppid", child, "-o", "comm="], capture_output=True, text=True,
                                                   check=False).stdout)
        os.kill(int(machine), signal.SIGKILL)
        out, err = run.communicate()
    assert run.returncode == 1, out + err
    found = {one.column: Counter(cell.status for cell in one.cells) for one in store.read(made / "results")}
    assert found["local"] == {"observed": 1, "broken": 1}
    assert (found[COLUMNS[0]]["flaky"], found[COLUMNS[0]].total()) == (1, 2)
    assert "the worker on this machine went away" in json.dumps(
        [cell.reason for one in store.read(made / "results") for cell in one.cells])
