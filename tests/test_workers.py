"""What `--tx` may say, and what is told of a worker that cannot be had: no host is needed here, test_hosts.py has some.

Guards: a slip in a specification is one line that names it, before anything is run, and blames no host.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import project
import pytest

from ksem import workers


@pytest.mark.parametrize(("specs", "found"), [
    ([], False), (["popen"], False), (["2*popen", "popen//python=python3//env:A=b//dont_write_bytecode"], False),
    (["ssh=one"], True), (["popen", "3*ssh=-p 22 one//python=p//ssh_config=f//chdir=d//nice=3//id=x"], True),
    (["socket=one:8888"], True),
])
def test_what_xdist_knows_is_taken(specs: list[str], found: bool) -> None:
    assert workers.elsewhere(specs) is found


@pytest.mark.parametrize(("spec", "told"), [
    ("ssh=one//pyhton=p", "there is no key 'pyhton' (did you mean python?): there are chdir, "),
    ("ssh=one//x=1", "there is no key 'x': there are chdir, "), ("-1*popen//ssh=one", "there is no key '-1*popen'"),
    ("0*popen", "asks for no worker at all"), ("00*ssh=one", "asks for no worker at all"), ("ssh", "ssh has no value: ssh=..."),
    ("ssh=one//python", "python has no value: python=..."), ("popen//env:A", "env:A has no value: env:A=..."),
    ("nonsense", "names no worker: it should look like ssh=HOST//python=PATH"), ("", "has a part without a name"),
    ("ssh=one//", "has a part without a name"),
    ("ssh=", "names no worker"), ("popen//_x=1", "not a valid XSpec key"), ("popen//popen", "duplicate key"),
])
@pytest.mark.parametrize("others", [[], ["popen"], ["ssh=one"]])
def test_what_is_none_is_named(spec: str, told: str, others: list[str]) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        workers.elsewhere([*others, spec])
    assert str(caught.value).startswith(f"--tx {spec}")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return project.make(tmp_path, fine=project.FINE)


def refused(made: Path, *specs: str) -> str:
    """The line with which a run refuses; the run has stored nothing."""
    done = project.ksem(made, "run", "local", "-q", *(f"--tx={spec}" for spec in specs))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (made / "results").exists()
    [line] = [line for line in done.stderr.splitlines() if line]
    return line


@pytest.mark.parametrize(("spec", "told"), [
    ("popen//python=/nosuch", "/nosuch: No such file or directory"), ("popen//python=false", "status 1"),
    ("popen//python='x", "python='x: No closing quotation"),
    (f"popen//python={sys.executable}//chdir=/proc/x", "chdir=/proc/x cannot be made: No such file or directory"),
    ("popen//chdir=/proc/x", "cannot be had (FileNotFoundError: "), ("popen//nice=x", "cannot be had (ValueError: "),
    ("popen//via=x", "cannot be had (KeyError: 'x')"), ("socket=127.0.0.1:1", "cannot be had (ConnectionRefusedError: "),
    ("socket=127.0.0.1", "cannot be had (ValueError: "), ("socket=127.0.0.1:1//python=p", "cannot be had (AssertionError: "),
    ("2*popen//id=a", "2 workers have the id a: leave id= out"),
])
def test_a_worker_that_cannot_be_had_is_a_line(made: Path, spec: str, told: str) -> None:
    line = refused(made, spec)
    assert f"--tx {spec.removeprefix('2*')}" in line
    assert told in line


def test_what_answers_and_is_no_worker_is_a_line(made: Path) -> None:
    def answer() -> None:
        with server.accept()[0] as one:
            one.recv(1)
            one.sendall(b"HTTP/1.1 400 Bad Request")

    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer)
        answering.start()
        spec = f"socket=127.0.0.1:{server.getsockname()[1]}"
        assert f"--tx {spec} cannot be had (AssertionError: it does not answer as a worker does)" in refused(made, spec)
        answering.join()


def test_one_that_comes_up_before_another_that_does_not_ends(made: Path) -> None:
    assert "--tx popen//chdir=/proc/x cannot be had" in refused(made, "popen", "popen//chdir=/proc/x")


def test_a_python_of_this_machine_works(made: Path) -> None:
    done = project.ksem(made, "run", "local", "-q", f"--tx=popen//python={sys.executable}")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_probe_tells_what_is_missing(tmp_path: Path) -> None:
    def probe(*arguments: str) -> str:
        return subprocess.run([sys.executable, "-c", workers.PROBE, *arguments], capture_output=True, text=True,
                              check=False).stderr

    assert probe(str(tmp_path / "a" / "b"), "ksem", "pytest-xdist") == ""
    assert (tmp_path / "a" / "b").is_dir()
    assert probe(".", "no-such-thing") == "its Python (python= says which) has no no-such-thing: pip install ksem there\n"
    assert probe("/proc/x") == "chdir=/proc/x cannot be made: No such file or directory\n"


def test_ctrl_c_while_a_worker_starts_is_no_traceback(made: Path, tmp_path: Path) -> None:
    """Its first line of Python is hit, before anything of ksem's is there."""
    first = tmp_path / "first"
    first.mkdir()
    (first / "sitecustomize.py").write_text("import os, signal, sys\n"
                                                 "if '-c' in sys.orig_argv: os.killpg(0, signal.SIGINT)\n")
    environment = {**project.environment(), "PYTHONPATH": str(first)}
    run = subprocess.Popen([*project.COMMAND, "run", "local", "--tx", "2*popen"], cwd=made, env=environment, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    said = run.communicate()[1]
    assert "Traceback" not in said
    assert run.returncode == 130, said
    assert not (made / "results").exists()
