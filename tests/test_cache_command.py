"""`ksem cache` tells what is kept between runs, and clears that and nothing else.

Guards: a kernel that the archive no longer has must not go unless it is named.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import project
import pytest

from ksem.commands import cache as command

FILES = ("snapshots/6.12.1-tcg-x.machine", "modules/abc", "disks/ext4.img", "debian/kernels/6.12_1/vmlinuz",
         "debian/apt/lists/a",
         "debian/index.json", "bisect/debian-6.12.json", "boxes/debian-12.box", "vagrant/debian-12/made-by-ksem", "accelerator")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with something of everything."""
    for name in FILES:
        path = tmp_path / "ksem" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(1_000_000) if "snapshots" in name else b"x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KSEM_SNAPSHOTS", raising=False)
    return tmp_path / "ksem"


def left(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return project.ksem(project.ROOT, "cache", *arguments)


def test_it_shows_what_there_is(home: Path) -> None:
    shown = run()
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[0] == f"{home}; snapshots take 1200.0 MB at most"
    rows = {line.split()[0]: line.split()[1] for line in shown.stdout.splitlines()[1:]}
    assert set(rows) == {"WHAT", *command.KINDS, "all"}
    assert rows["snapshots"] == "1.0"
    assert left(home) == set(FILES)


def test_it_shows_one_kind_piece_by_piece(home: Path) -> None:
    lines = run("show", "snapshots", "kernels").stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["NAME", "6.12.1-tcg-x.machine", "6.12_1"]


@pytest.mark.parametrize(("words", "gone"), [
    ((), FILES[:3]), (("snapshots",), FILES[:1]), (("kernels", "archive"), FILES[3:6]), (("all",), FILES[:8]),
])
def test_it_clears_what_is_named_or_what_is_made_anew(home: Path, words: tuple[str, ...], gone: tuple[str, ...]) -> None:
    cleared = run("clear", *words)
    assert (cleared.returncode, cleared.stdout) == (0, "")
    assert left(home) == set(FILES) - set(gone)
    assert run("clear", *words).returncode == 0


@pytest.mark.parametrize("words", [("show", "kernel"), ("clear", "everything")])
def test_what_there_is_not_is_one_line(home: Path, words: tuple[str, ...]) -> None:
    wrong = run(*words)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == (f"ksem: nothing called {words[1]!r} is kept: there are snapshots, modules, disks, cases, "
                            "kernels, archive, bisect, benchmarks, boxes and all\n")
    assert left(home) == set(FILES)


def test_what_cannot_be_removed_is_one_line(home: Path) -> None:
    words = ["unshare", "-rm", "sh", "-e", "-c", 'mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"; exec "$@"', str(home)]
    wrong = subprocess.run([*words, *project.COMMAND, "cache", "clear"], cwd=project.ROOT, env=project.environment(), text=True,
                           capture_output=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr == f"ksem: {home}/snapshots/6.12.1-tcg-x.machine cannot be removed: Read-only file system\n"


def test_an_empty_cache_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run().stdout.splitlines()[-1].split() == ["all", "0.0", "MB"]
    assert run("show", "all").returncode == 0
    assert run("clear", "all").returncode == 0
