"""What travels into a kernel under test runs on the Python that an old distribution has: 3.6.

Guards: a machine of somebody else's (Vagrant, ssh) has the Python that it has; newer syntax would make every cell broken there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def vermin(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Ask vermin whether files run on Python 3.6, annotations included: those of a module are evaluated."""
    return subprocess.run(
        [sys.executable, "-c", "from vermin import main; main()", "-t=3.6-", "--violations", "--eval-annotations", "--no-tips",
         "--no-config-file", *map(str, paths)], capture_output=True, text=True, check=False, cwd=ROOT)


def test_guest_and_cases_run_on_python_3_6() -> None:
    answer = vermin(ROOT / "ksem" / "guest", ROOT / "cases")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Minimum required versions: 3.6" in answer.stdout


@pytest.mark.parametrize("text", ["if (n := 1): pass\n", "def f(a, /): pass\n", "names: list[str] = []\n"])
def test_newer_python_would_be_noticed(tmp_path: Path, text: str) -> None:
    (tmp_path / "newer.py").write_text(text)
    assert vermin(tmp_path / "newer.py").returncode != 0
