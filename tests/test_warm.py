"""Machines that are restored show what machines that are booted show, at the present time and with chance of their own.

Guards: a snapshot must not be taken for the kernel that it is no more, and nothing that is wrong with one, or with the cache,
may cost more than a boot.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import project
import pytest

from ksem import backends, bootstrap, cache, catalog, initramfs, kernels, snapshots, vm
from ksem.backends import qemu
from ksem.guest import disks as inside
from ksem.guest.executor import SIZE
from ksem.machine import GUEST, Machine, Request
from ksem.model import Kernel, Lost

COLUMN = "debian-6.12"
SHARED = ("debian", "disks", "modules")
# Of each area one case, with filesystems on disks and in modules, users, namespaces, mounts, times and capabilities.
SOME = ("bind_flags.read_only_where or chown_setid.acl_kept or mount_locking.unmount or overflow_ids.shown or openat2"
        " or readonly_root.recipe or recursive_remount.msrec or shielding.by_handle or id_maps.owner")
FRESH = """
from ksem.guest.case import Case

CASE = Case(claim="", cites=("",), expect={})


def observe(lab):
    uptime, status, *uuids = lab.values([("read_file", path) for path in (
        "/proc/uptime", "/proc/stat", "/proc/sys/kernel/random/uuid", "/proc/sys/kernel/random/uuid")])
    booted = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("btime"))
    return {"now": booted + float(uptime.split()[0]), "first": uuids[0], "second": uuids[1]}
"""


def made_cache(place: Path) -> Path:
    """A cache with all that the user's has but snapshots, and with what is known of this machine."""
    own = place / "ksem"
    own.mkdir(parents=True)
    for name in SHARED:
        (own / name).symlink_to(cache.directory(name))
    if (cache.directory() / "accelerator").exists():
        shutil.copy(cache.directory() / "accelerator", own)
    return own


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache after one run of a case on one kernel."""
    place = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        own = made_cache(place)
        patch.setenv("XDG_CACHE_HOME", str(place))
        patch.delenv(snapshots.VARIABLE, raising=False)
        run(place)
    return own


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where snapshots are kept in a cache of the test's own."""
    own = made_cache(tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(snapshots.VARIABLE, raising=False)
    return own / "snapshots"


@pytest.fixture
def warm(saved: Path, home: Path) -> Path:
    """The same, with one snapshot, and all else that a run makes."""
    shutil.copytree(saved, home.parent, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*SHARED, "snapshots"))
    subprocess.run(["cp", "-r", "--sparse=always", saved / "snapshots", home.parent], check=True)
    return home


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One case on one kernel, in a project of its own; all is as expected."""
    if not (tmp_path / "cases").exists():
        project.make(tmp_path, fine=project.FINE)
    ended = project.ksem(tmp_path, "run", COLUMN, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def kept(home: Path) -> list[str]:
    """The snapshots that there are; nothing half-written is beside them."""
    return [path.name for path in home.iterdir()] if home.exists() else []


def evidence(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.json")}


def test_cold_and_warm_show_the_same(tmp_path: Path, home: Path) -> None:
    found = []
    for number, (how, said) in enumerate((("--cold", "booted"), ("", "booted"), ("", "restored"))):
        out = tmp_path / str(number)
        ended = project.ksem(project.ROOT, "run", *project.COLUMNS, "-n", "2", "-k", SOME, "--results", str(out),
                             *([how] if how else []))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert sorted(re.findall(r"(\S+): (booted|restored) ", ended.stderr)) == [(one, said) for one in project.COLUMNS]
        found.append(evidence(out))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > len(project.COLUMNS)
    assert len(kept(home)) == len(project.COLUMNS)
    # What nobody used was cleared: 5.10 would take 92 MB.
    assert min(path.stat().st_blocks * 512 for path in home.iterdir()) < 70e6


def _late(place: Path, seconds: float) -> Path:
    """What a director is made of, whose clock is behind."""
    if not place.exists():
        shutil.copytree(GUEST, place)
        text = (place / "outside.py").read_text()
        assert text.count("time.time()") == 1
        (place / "outside.py").write_text(text.replace("time.time()", f"(time.time() - {seconds})"))
    return place


@pytest.mark.parametrize("column", project.COLUMNS)
def test_a_restored_machine_lives_now_and_draws_numbers_of_its_own(column: str, tmp_path: Path, home: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = catalog.column(column, catalog.entries(project.ROOT))
    kernel = kernels.source_of(wanted).resolve(wanted, print)
    said: list[str] = []
    seen = []
    for days in (1, 0, 0):
        with monkeypatch.context() as changed:
            # The first machine, which is saved, was told yesterday's time.
            changed.setattr(bootstrap, "GUEST", _late(tmp_path / f"{days}", 86400.0 * days))
            before = time.time()
            with backends.machine(qemu, wanted, kernel, frozenset(inside.FILESYSTEMS), tmp_path / "log", print) as running:
                said.append(running.came.split()[0])
                answer = running.machine.run(Request("made.fresh", FRESH, {}, (), 10.0)).observation
            assert answer is not None
            # The moment of the boot is told in whole seconds.
            assert before - 2 < answer["now"] + 86400 * days < time.time() + 2
            seen.append(answer)
    assert said == ["booted", "restored", "restored"]
    assert len({one[name] for one in seen for name in ("first", "second")}) == 2 * len(seen)


def test_an_edited_case_or_agent_needs_no_boot(tmp_path: Path, home: Path) -> None:
    copy = tmp_path / "copy" / "ksem"
    shutil.copytree(project.ROOT / "ksem", copy)
    made = project.make(tmp_path, fine=project.FINE)
    command = [sys.executable, "-m", "ksem", "run", COLUMN]
    said = []
    for edited in (False, True):
        if edited:
            for path in (made / "cases" / "made" / "fine.py", copy / "guest" / "readers.py"):
                with path.open("a") as file:
                    file.write("EDITED = True\n")
        ended = subprocess.run(command, cwd=made, text=True, capture_output=True, check=False,
                               env={**project.environment(), "PYTHONPATH": str(copy.parent)})
        assert ended.returncode == 0, ended.stdout + ended.stderr
        said.append(ended.stderr.split()[1])
    assert said == ["booted", "restored"]
    assert len(kept(home)) == 1


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(16 << 20)
        file.write(b"something else")


def foreign(path: Path) -> None:
    """A snapshot that checks, of a machine that never was."""
    snapshots.keep(path.stem, [b"ram" * 1000, bytes(SIZE), b"no state of a machine's", b"{}"])


@pytest.mark.parametrize("change", [
    lambda path: os.truncate(path, 100 << 20), overwritten, lambda path: os.truncate(path, 0), foreign,
    lambda path: snapshots.keep(path.stem, [b"something"]),
    lambda path: snapshots.keep(path.stem, [b"ram", bytes(SIZE), b"devices", b"no JSON"]),
], ids=["cut short", "overwritten", "empty", "not QEMU's", "no machine", "without surroundings"])
def test_a_damaged_snapshot_costs_a_boot_and_is_made_again(tmp_path: Path, warm: Path,
                                                           change: Callable[[Path], object]) -> None:
    path, = warm.iterdir()
    good = path.stat().st_blocks
    change(path)
    ended = run(tmp_path)
    assert ended.stderr.count("the saved machine cannot be used") == 1
    assert f"{COLUMN}: booted" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert path.stat().st_blocks > good / 2
    assert f"{COLUMN}: restored" in run(tmp_path).stderr


def test_a_machine_that_dies_of_its_modules_costs_a_boot(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(machine: Machine, deadline: float) -> None:
        raise Lost("the director did not answer", "")

    monkeypatch.setattr(Machine, "load_modules", dies)
    column = catalog.column(COLUMN, catalog.entries(project.ROOT))
    kernel = kernels.source_of(column).resolve(column, print)
    said: list[str] = []
    with backends.machine(qemu, column, kernel, frozenset(), tmp_path / "console.log", said.append) as running:
        answer = running.machine.run(Request("made.fine", project.FINE, {}, ("root",), 60.0))
    assert answer.observation == {"uid": 0}
    assert said == ["this machine is not kept (the director did not answer): booting another"]
    assert not list(home.glob("*"))


def test_what_surrounds_a_machine_is_asked_when_it_is_saved_and_anew_by_other_code(tmp_path: Path, home: Path,
                                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    column = catalog.column(COLUMN, catalog.entries(project.ROOT))
    kernel = kernels.source_of(column).resolve(column, print)
    told = []
    for code in ("this", "this", "other"):
        monkeypatch.setattr(qemu, "_asking", lambda code=code: code)
        with backends.machine(qemu, column, kernel, frozenset(), tmp_path / "console.log", print) as running:
            told.append((running.came.split()[0], running.machine.surroundings is not None, running.machine.environment(())))
    assert [one[:2] for one in told] == [("booted", False), ("restored", True), ("restored", False)]
    assert told[0][2] == told[1][2] == told[2][2]


# A file that is none, one without anything in it, and one that cannot be put where it should be.
NONE = {"overlay": b"no module", "xfs": b"", "no/btrfs": b"no module"}
ORDER = {"overlay": ["overlay"], "xfs": ["xfs"], "btrfs": ["no/btrfs"]}
REASONS = {"overlay": "overlay failed with ENOEXEC", "xfs": "xfs failed with EINVAL", "btrfs": "no/btrfs failed with ENOENT"}


def test_a_module_that_the_kernel_does_not_take_is_told_of_in_the_same_words(tmp_path: Path, home: Path,
                                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is tried when it is wanted, before its machine was saved, or by an interpreter in the machine."""
    monkeypatch.setattr(qemu, "_modules", lambda *_: (NONE, ORDER))
    column = catalog.column("debian-5.10", catalog.entries(project.ROOT))
    kernel = kernels.source_of(column).resolve(column, print)

    def told(cold: bool, *names: str) -> tuple[str, dict[str, str]]:
        wanted = dataclasses.replace(column, cold=cold)
        with backends.machine(qemu, wanted, kernel, frozenset(), tmp_path / "console.log", print) as found:
            return found.came.split()[0], {name: found.machine.run(
                Request("made.fine", project.FINE, {}, ("root", f"fs:{name}"), 60.0)).reason for name in names}

    reasons = {name: f"no filesystem {name}: loading the module {reason}" for name, reason in REASONS.items()}
    assert [told(cold, *REASONS) for cold in (True, False, False)] == [
        ("booted", reasons), ("booted", reasons), ("restored", reasons)]
    monkeypatch.setattr(vm, "_sharing", lambda *_: [])
    assert told(False, "overlay") == ("booted", {"overlay": reasons["overlay"]})


def test_another_kernel_module_command_or_program_is_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, modules, config, other = (tmp_path / name for name in ("image", "modules", "config", "qemu"))
    image.write_bytes(b"image")
    config.write_text("CONFIG_MODULES=y\n")
    (modules / "kernel").mkdir(parents=True)

    def name(accelerator: str = "tcg", wanted: tuple[str, ...] = ("xfs",), at: Path = image) -> str | None:
        kernel = Kernel("6.12", image=at, modules=modules, config=config)
        plan = qemu._Plan(catalog.column("local", []), kernel, frozenset(wanted), b"", {}, tmp_path / "log", print)
        return plan.kept_as(accelerator)

    shutil.copy2(image, other)
    names = [name(), name("kvm"), name(wanted=("xfs", "btrfs"))]
    assert name() == names[0]
    # Of the same size and time, and another nevertheless.
    names.append(name(at=other))
    kept = image.stat()
    image.write_bytes(b"other")
    os.utime(image, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    names.append(name())
    module = modules / "kernel" / "xfs.ko"
    module.write_bytes(b"module")
    names.append(name())
    os.utime(module, (1, 1))
    names.append(name())
    config.write_text("CONFIG_MODULE_SIG_FORCE=y\n")
    names.append(name())
    monkeypatch.setattr(vm, "RAM", 300 << 20)
    names.append(name())
    monkeypatch.setattr(vm, "CMDLINE", "other")
    names.append(name())
    monkeypatch.setattr(initramfs, "_base", lambda program: {"init": (0o100755, b"another first process")})
    names.append(name())
    monkeypatch.setattr(vm, "program", lambda: str(other))
    names.append(name())
    other.write_text("a newer QEMU")
    names.append(name())
    assert len(set(names)) == len(names)


def confined(tmp_path: Path, mounts: str) -> subprocess.CompletedProcess[str]:
    """A run in a mount namespace of its own, in which these commands were run before."""
    words = ["unshare", "-rm", "sh", "-e", "-c", f'{mounts}; exec "$@"', "sh", sys.executable, "-m", "ksem", "run", COLUMN]
    return subprocess.run(words, cwd=project.make(tmp_path, fine=project.FINE), env=project.environment(), text=True,
                          capture_output=True, check=False)


@pytest.mark.parametrize("mounts", [
    pytest.param("mount -t tmpfs -o size=2m full {0}/snapshots", id="full"),
    pytest.param("mount --bind {0} {0}; mount -o remount,ro,bind {0}", id="read-only"),
])
def test_a_cache_that_cannot_be_written_to_costs_a_boot_and_a_line(tmp_path: Path, warm: Path, mounts: str) -> None:
    for path in warm.iterdir():
        path.unlink()
    ended = confined(tmp_path, mounts.format(warm.parent))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.fullmatch(rf"{COLUMN}: this machine is not kept, and the next has to boot again: .* cannot be written: .*\n"
                        rf"{COLUMN}: booted .*\n", ended.stderr)
    assert kept(warm) == []


def test_a_cache_that_cannot_be_written_to_can_be_read(tmp_path: Path, warm: Path) -> None:
    ended = confined(tmp_path, f"mount --bind {warm.parent} {warm.parent}; mount -o remount,ro,bind {warm.parent}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.fullmatch(rf"{COLUMN}: restored .*\n", ended.stderr)


def test_no_room_is_asked_for_when_none_is_given(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(snapshots.VARIABLE, "0")
    ended = run(tmp_path)
    assert [line for line in ended.stderr.splitlines() if "kept" in line] == []
    assert kept(home) == []


def test_two_runs_at_once_do_no_harm(tmp_path: Path, home: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    command = [sys.executable, "-m", "ksem", "run", COLUMN, "--results"]
    for _ in range(2):
        runs = [subprocess.Popen([*command, str(tmp_path / name)], cwd=made, env=project.environment(), text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) for name in ("one", "other")]
        said = [one.communicate() for one in runs]
        assert [one.returncode for one in runs] == [0, 0], said
    assert all(f"{COLUMN}: restored" in errors for _, errors in said)
    assert len(kept(home)) == 1
    assert evidence(tmp_path / "one") == evidence(tmp_path / "other")
