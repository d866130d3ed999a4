"""What tests share: hypothesis without a clock, chance or memory, so that a run says the same every time; one run of it all."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import project
import pytest

from ksem.guest.beside import Beside
from ksem.guest.executor import Task

hypothesis.settings.register_profile("ksem", database=None, deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.load_profile("ksem")


@pytest.fixture
def task() -> Iterator[Task]:
    """A process that makes system calls as those of cases do; killed at the end, with its children."""
    with Beside().process() as made:
        yield made
        with open(f"/proc/{made.pid}/task/{made.pid}/children") as children:
            for child in children.read().split():
                os.kill(int(child), signal.SIGKILL)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `run` leaves its evidence."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="session")
def run(results: Path) -> subprocess.CompletedProcess[str]:
    """Every case on three kernels, two at a time."""
    return project.ksem(project.ROOT, "run", *project.COLUMNS, "-n", "2", "--results", str(results))
