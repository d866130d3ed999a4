"""virtme-ng and ksem at the same: one case, on the same kernel, in turns.

virtme-ng (from PyPI, in a virtual environment below the cache) boots the kernel with the host's files as root, and runs
`ksem run local -k CASE` there. The kernel is Debian's generic one, built from the same source as the cloud kernel that is a
column: the cloud one lacks the 9p filesystem by which virtme-ng reaches the host's files.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Figure, ratios
from benchmarks.measure import CASE, ROOT, Bench, Failed, Run, cells, program, run, seconds
from ksem import cache, catalog, kernels
from ksem.backends import qemu
from ksem.kernels import debian
from ksem.model import Kernel

COLUMN = "debian-6.12"
# The release that it was seen to work with; what follows is taken too.
REQUIREMENT = "virtme-ng>=1.42"
# What it asks of the host: for its initramfs, its modules, and the devices by which a script's output comes back.
NEEDED = {"busybox": "busybox-static", "depmod": "kmod", "udevadm": "udev"}


class Generic(NamedTuple):
    """A kernel of Debian's with every driver."""

    image: Path
    modules: Path


def compared(bench: Bench) -> Iterator[Figure]:
    """Both, warm and cold; and virtme-ng doing nothing but `true`, which is its boot alone."""
    for name, package in NEEDED.items():
        program(name, package)
    vng, kernel = _installed(bench), _generic(bench)
    ours = [f"image:{kernel.image}", "--modules", str(kernel.modules), "-k", CASE]
    theirs = [sys.executable, "-m", "ksem", "--project", str(ROOT), "run", "local", "-k", CASE]
    # There, /tmp is of the guest's own.
    inside = ["env", f"PYTHONPATH={ROOT}", "PYTHONDONTWRITEBYTECODE=1", "XDG_CACHE_HOME=/tmp/ksem-cache",
              *theirs, "--results", "/tmp/ksem-results"]
    expected = cells(bench.cases(*ours).output)

    def same(found: Run) -> Run:
        if cells(found.output) != expected:
            raise Failed(f"not the same was run: {cells(found.output)}, and {expected} before")
        return found

    runs = bench.in_turns(virtme_ng=lambda: same(_vng(vng, kernel, inside, bench)),
                          ksem_warm=lambda: same(bench.cases(*ours)),
                          ksem_cold=lambda: same(bench.cases(*ours, "--cold")),
                          virtme_ng_alone=lambda: _vng(vng, kernel, ["true"], bench))
    theirs_took = seconds(runs["virtme_ng"])
    yield Figure(f"virtme-ng: ksem run local -k {CASE}", theirs_took, beside=kernel.modules.name)
    yield Figure("  virtme-ng: true, its boot alone", seconds(runs["virtme_ng_alone"]))
    for how, wanted in (("warm", 100.0), ("cold", 10.0)):
        took = seconds(runs[f"ksem_{how}"])
        yield Figure(f"  ksem on that kernel, {how}", took)
        yield Figure(f"  virtme-ng takes, of ksem's {how}", ratios(theirs_took, took), "x", wanted, at_least=True)


def _vng(vng: Path, kernel: Generic, words: list[str], bench: Bench) -> Run:
    """A command in a guest of virtme-ng's. Raises Failed for one that fails there too."""
    emulated = ["--disable-kvm"] if qemu.accelerators()[0] != "kvm" else []
    path = f"{vng.parent}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    # As ours have it: on a busy host an emulated machine may get too little time for the test of its timer, and panics.
    command = [str(vng), *emulated, "--append", "no_timer_check", "-r", str(kernel.image), "--", *map(shlex.quote, words)]
    return run(command, {**bench.environment, "PATH": path})


def _installed(bench: Bench) -> Path:
    """Its command, installed when it is not there. Raises Failed where it cannot be had."""
    place = cache.directory("benchmarks", "virtme-ng")
    vng, ready = place / "bin" / "vng", place / REQUIREMENT
    with cache.locked(place):
        if not ready.exists():
            bench.say(f"installing {REQUIREMENT}")
            environment = {**os.environ, "TMPDIR": str(bench.scratch)}
            run([sys.executable, "-m", "venv", "--clear", str(place)], environment)
            try:
                run([str(place / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", REQUIREMENT], environment)
            except Failed as problem:
                raise Failed(f"virtme-ng is not there and cannot be installed ({problem}): is there a network?") from None
            ready.touch()
    return vng


def _generic(bench: Bench) -> Generic:
    """The generic kernel beside the column's, fetched when it is not there. Raises Unavailable."""
    bench.fetch(COLUMN)
    column = catalog.column(COLUMN, catalog.entries(ROOT))
    found = kernels.source_of(column).at_hand(column)
    if found is None:
        raise Failed(f"{COLUMN} is not at hand")
    name, version = generic(found)
    place = cache.directory("benchmarks", "kernels") / f"{name}_{version}"
    if not place.is_dir():
        bench.say(f"fetching {name}")
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as directory:
            tree = Path(directory) / "tree"
            debian.unpack([f"linux-image-{name}={version}"], tree)
            if not (tree / "lib").exists():
                # depmod and virtme-ng look there; Debian's packages no longer have it.
                (tree / "lib").symlink_to("usr/lib")
            run([program("depmod", "kmod"), "-b", str(tree), name], dict(os.environ))
            shutil.move(tree, place)
    return Generic(place / f"boot/vmlinuz-{name}", place / "lib/modules" / name)


def generic(kernel: Kernel) -> tuple[str, str]:
    """Name and version of the kernel with every driver that comes of the same source as a cloud kernel."""
    name, _, version = kernel.package.partition(" ")
    return name.replace(debian.FLAVOUR, "-amd64"), version
