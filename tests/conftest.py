"""What all unit tests share: hypothesis without a clock, chance or memory, so that a run says the same every time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from ksem.guest.executor import Arena, Task

hypothesis.settings.register_profile("ksem", database=None, deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.load_profile("ksem")


@pytest.fixture
def task() -> Iterator[Task]:
    """A process that makes system calls as those of cases do; killed at the end, with its children."""
    with Arena().process() as made:
        yield made
        with open(f"/proc/{made.pid}/task/{made.pid}/children") as children:
            for child in children.read().split():
                os.kill(int(child), signal.SIGKILL)
