"""Cases on the running kernel leave the machine as it was, as root and as an ordinary user, and open it to nobody."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import project
import pytest

from ksem import store

NOBODY = 65534
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
SETUID = project.FINE.replace("def observe(lab):\n", '''def observe(lab):
    lab.file("setuid", 0o4755)
    lab.write_file({fifo!r}, str(lab.pid))
    lab.read_file({fifo!r})
''')


def state() -> dict[str, str]:
    """What of the machine a case could have changed: mounts, sysctls, and what lies in the usual places."""
    sysctls = {str(path): text(path) for top in ("user", "fs", "kernel") for path in sorted(Path("/proc/sys", top).glob("*"))
               if path.is_file() and path.name not in CHANGING}
    files = {top: "\n".join(sorted(os.listdir(top))) for top in ("/", "/tmp", "/dev/shm", "/run", "/var/tmp", "/dev")}
    return {"mounts": Path("/proc/self/mountinfo").read_text(), **files, **sysctls}


# Counters that grow whatever anybody does.
CHANGING = ("dentry-state", "file-nr", "inode-nr", "inode-state", "ns_last_pid", "random", "aio-nr", "pty")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory outside of /tmp, which a case has covered with its own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        yield Path(name)


def text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        return str(error)


def test_all_cases_leave_the_machine_as_it_was(tmp_path: Path) -> None:
    before = state()
    ended = project.ksem(project.ROOT, "run", "local", "-q", "--results", str(tmp_path))
    assert state() == before
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_another_column_that_cannot_be_read_is_no_matter(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    (made / "results").mkdir()
    (made / "results" / "debian-6.12.json").write_text('{"schema": 1, "col')
    ended = project.ksem(made, "run", "local", "-q")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "conforms" in ended.stdout


@ROOT_ONLY
def test_an_ordinary_user_runs_what_needs_no_root(place: Path) -> None:
    """In a copy that the user can read, with a home of its own: nothing may depend on being root."""
    # Not below pytest's own directory, which is root's alone.
    place.chmod(0o755)
    mine = place / "mine"
    mine.mkdir()
    os.chown(mine, NOBODY, NOBODY)
    parts = [project.ROOT / name for name in ("cases", "ksem", "pyproject.toml")]
    subprocess.run(["cp", "-r", *parts, mine], check=True)
    site = next(path for path in sys.path if path.endswith("site-packages"))
    subprocess.run(["cp", "-r", site, mine / "site"], check=True)
    before = state()
    program = "import sys; sys.path[:0] = ['.', 'site']; from ksem.cli import main; sys.exit(main(['run', 'local', '-q']))"
    ended = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c", program],
        cwd=mine, env={"HOME": str(mine), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert state() == before
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = store.read_column(mine / "results" / "local.json")
    assert found.environment["caller"] == "ordinary user"
    statuses = {cell.case.partition(".")[0]: cell.status for cell in found.cells}
    assert (statuses["bind_flags"], statuses["chown_setid"]) == ("observed", "unsupported")


def told(fifo: Path) -> str:
    """What the case says through a pipe, within half a minute."""
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert select.select([descriptor], [], [], 30.0)[0], "the case said nothing"
        return os.read(descriptor, 100).decode()
    finally:
        os.close(descriptor)


@ROOT_ONLY
def test_no_other_user_reaches_a_setuid_file(tmp_path: Path, place: Path) -> None:
    """While a case holds one open to everybody in its lab, a stranger looks for it by every way there is."""
    fifo = place / "fifo"
    os.mkfifo(fifo)
    made = project.make(tmp_path / "project", setuid=SETUID.replace("{fifo!r}", repr(str(fifo))))
    run = subprocess.Popen([sys.executable, "-m", "ksem", "run", "local", "-q"], cwd=made, env=project.environment(),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    pid = told(fifo)
    ways = ["/tmp/setuid", f"/proc/{pid}/root/tmp/setuid", f"/proc/{pid}/cwd/setuid"]
    seen = {way: subprocess.run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", "test", "-e", way], check=False).returncode
            for way in ways}
    reachable = Path(ways[1]).stat().st_mode & 0o4000
    fifo.write_text("go on")
    output, _ = run.communicate()
    assert run.returncode == 0, output
    assert reachable, "the case did not make the file that the stranger was to look for"
    assert set(seen.values()) == {1}


def test_quiet_is_quiet_before_pytest_is_there_too(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    ended = project.ksem(made, "run", "local", "-q", "--isolate")
    assert ended.returncode == 0
    assert ended.stderr == ""


def test_what_pytest_is_told_elsewhere_counts_for_a_machine_that_was_begun(tmp_path: Path,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--isolate")
    monkeypatch.setattr(project, "environment", lambda: {**os.environ, "COLUMNS": "80"})
    ended = project.ksem(made, "run", "local")
    assert ended.returncode == 0
    assert "local: cases share this machine's kernel" in ended.stderr


def test_a_case_that_is_wrong_beside_those_that_were_asked_for_is_told_in_a_line(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE, wrong="CASE = nothing")
    ended = project.python(made, "-m", "pytest", "-q", "--column=local", "--column=debian-5.10", "cases/made/fine.py")
    assert ended.returncode == 1
    assert "INTERNALERROR" not in ended.stdout + ended.stderr
    assert "cannot be imported" in ended.stdout
