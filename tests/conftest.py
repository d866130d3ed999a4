"""What tests share: hypothesis without a clock, chance or memory, so that a run says the same every time; one run of it all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import hypothesis
import project
import pytest

hypothesis.settings.register_profile("ksem", database=None, deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.load_profile("ksem")


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `run` leaves its evidence."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="session")
def run(results: Path) -> subprocess.CompletedProcess[str]:
    """Every case on three kernels, two at a time."""
    return project.ksem(project.ROOT, "run", *project.COLUMNS, "-n", "2", "--results", str(results))
