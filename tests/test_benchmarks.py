"""What the benchmarks reckon with, without measuring anything: a wrong ratio or a wrong byte would be believed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import measure, memory, virtme
from benchmarks.figures import Figure, ratios, table
from benchmarks.measure import Failed, cells
from ksem.model import Kernel


@pytest.mark.parametrize(("values", "wanted", "at_least", "verdict"), [
    ((80.0, 90.0, 100.0), 90.0, False, "reached (1.00)"), ((100.0, 99.0, 9.0), 90.0, False, "MISSED (1.10)"),
    ((120.0,), 100.0, True, "reached (1.20)"), ((50.0,), 100.0, True, "MISSED (0.50)"),
    ((), 100.0, True, "not measured"), ((1.0,), None, False, ""),
])
def test_the_median_is_judged(values: tuple[float, ...], wanted: float | None, at_least: bool, verdict: str) -> None:
    assert Figure("it", values, wanted=wanted, at_least=at_least).verdict() == verdict


def test_rounds_are_compared_with_themselves() -> None:
    assert ratios((10.0, 40.0), (1.0, 2.0)) == (10.0, 20.0)
    with pytest.raises(ValueError, match="shorter"):
        ratios((10.0, 40.0), (1.0,))


def test_a_table_has_a_line_for_each_figure() -> None:
    lines = table([Figure("fast", (1.25, 1.5, 2.0), wanted=6, beside="9 CPU s"), Figure("ratio", (123.4,), "x", 100, True),
                   Figure("gone", beside="not measured: no network")]).splitlines()
    assert [line.split() for line in lines[2:]] == [
        ["fast", "1.50", "s", "1.25", "s", "2.00", "s", "≤", "6.00", "s", "reached", "(0.25)", "9", "CPU", "s"],
        ["ratio", "123", "x", "≥", "100", "x", "reached", "(1.23)"],
        ["gone", "not", "measured:", "no", "network"]]


def test_cells_are_counted_as_pytest_tells() -> None:
    assert cells("collected 9 items\n= 6 passed, 2 skipped, 1 error in 5.36s =") == {"passed": 6, "skipped": 2, "error": 1}
    assert cells("2 errors in 1.00s") == {"error": 2}
    assert cells("no tests ran") == {}


def test_what_a_command_takes_counts_its_children_too() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    found = measure.run([sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])"], {})
    assert found.processor >= 0.2
    assert found.seconds >= 0.2


def test_a_command_that_fails_is_a_line() -> None:
    with pytest.raises(Failed, match=r"ended with 3: at last$"):
        measure.run([sys.executable, "-c", "print('first\\nat last\\n'); raise SystemExit(3)"], {})


def test_a_command_that_is_interrupted_may_clean_up(tmp_path: Path) -> None:
    """It has a session of its own: what interrupts us does not reach it."""
    inner = ("import pathlib, signal, sys\n"
             "def end(*_): pathlib.Path(sys.argv[1]).unlink(); sys.exit()\n"
             "signal.signal(signal.SIGTERM, end)\n"
             "pathlib.Path(sys.argv[1]).touch()\nsignal.pause()")
    outer = f"import sys; from benchmarks import measure; measure.run([sys.executable, '-c', {inner!r}, sys.argv[1]], {{}})"
    there = tmp_path / "there"
    with subprocess.Popen([sys.executable, "-c", outer, str(there)], cwd=measure.ROOT, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not there.exists():
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
    assert not there.exists()


def test_a_missing_program_names_its_package() -> None:
    assert measure.program("sh", "dash").endswith("/sh")
    with pytest.raises(Failed, match=r"^nothing-such is missing: apt-get install some-package$"):
        measure.program("nothing-such", "some-package")


def test_memory_is_read_as_the_kernel_tells() -> None:
    assert memory.peak("Name:\tqemu\nVmPeak:\t 9 kB\nVmHWM:\t  300000 kB\nVmRSS:\t 1 kB\n") == 300_000 * 1024
    assert memory.share("5590-7ffd ---p 00000000 00:00 0 [rollup]\nRss:  90 kB\nPss:  80 kB\nPss_Dirty: 7 kB\n") == 80 * 1024
    assert memory.resident("VmHWM:\t  3 kB\nVmRSS:\t 2 kB\n") == 2048
    assert memory.peak("Name:\tgone\n") == 0


def test_a_machine_is_known_by_its_console() -> None:
    command = "qemu\0-chardev\0file,id=console,path=/a/logs/debian-6.12.log\0-serial\0chardev:console\0"
    assert memory.column(command) == "debian-6.12"
    with pytest.raises(StopIteration):
        memory.column("qemu-system-x86_64\0-nographic\0")


@pytest.mark.parametrize(("package", "name", "version"), [
    ("6.12.118+deb13-cloud-amd64 6.12.118-1", "6.12.118+deb13-amd64", "6.12.118-1"),
    ("6.1.0-56-cloud-amd64 6.1.192-2", "6.1.0-56-amd64", "6.1.192-2"),
])
def test_the_generic_kernel_is_of_the_same_source(package: str, name: str, version: str) -> None:
    assert virtme.generic(Kernel("6.12", package)) == (name, version)
