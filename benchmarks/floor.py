"""The bare floor of a boot: the same kernel in the same QEMU, with a first process that only powers off.

`python -m benchmarks.floor COLUMN` boots ksem's machine once, in a process that made nothing before, and prints the seconds.
"""

from __future__ import annotations

import dataclasses
import functools
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, ratios
from benchmarks.measure import ROOT, Bench, Failed, Run, program, run, seconds, series
from ksem import backends, bzimage, catalog, initramfs, kernels, vm
from ksem.backends import qemu
from ksem.model import Column, Kernel

# reboot(2): LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF; 169 is its number.
_OFF = """
void _start(void)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(169L), "D"(0xfee1deadL), "S"(672274793L), "d"(0x4321fedcL)
                     : "rcx", "r11", "memory");
    for (;;) { }
}
"""


def boots(bench: Bench) -> Iterator[Figure]:
    """The oldest kernel, one in the middle and the newest: until the director answers, and until the machine is off."""
    archive = _archive(bench.scratch)
    names = series()
    for name in (names[0], names[len(names) // 2], names[-1]):
        bench.warm(name)
        kernel = _kernel(name)
        command = _bare(kernel, archive, bench.scratch)
        runs = bench.in_turns(floor=functools.partial(_off, command, bench),
                              until_the_director_answers=functools.partial(_answered, name, bench))
        bare, ours = map(seconds, runs.values())
        yield Figure(f"boot of {name} until its director answers", ours)
        yield Figure("  floor: powers off at once", bare)
        yield Figure("  times the floor", ratios(ours, bare), "x", 1.5)


def _kernel(name: str) -> Kernel:
    column = catalog.column(name, catalog.entries(ROOT))
    found = kernels.source_of(column).at_hand(column)
    if found is None or found.image is None:
        raise Failed(f"{name} is not at hand")
    return found


def _archive(directory: Path) -> Path:
    """An initramfs with nothing but that process."""
    source, built, archive = (directory / f"off{suffix}" for suffix in (".c", "", ".cpio"))
    source.write_text(_OFF)
    run([program("gcc", "gcc"), "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-O2",
         "-o", str(built), str(source)], {"PATH": "/usr/bin:/bin", "TMPDIR": str(directory)})
    archive.write_bytes(initramfs.cpio({"init": (stat.S_IFREG | 0o755, built.read_bytes()),
                                        "dev/console": (stat.S_IFCHR | 0o600, b"")}))
    return archive


def _bare(kernel: Kernel, archive: Path, directory: Path) -> list[str]:
    """QEMU as ksem starts it, unpacked kernel and all."""
    assert kernel.image is not None
    image = directory / "bare.kernel"
    image.write_bytes(bzimage.vmlinux(kernel.image) or kernel.image.read_bytes())
    # Its memory is a file, as a machine's of ksem's is.
    return [*vm.watched(), *vm.command(qemu.accelerators()[-1], directory / "bare.log"),
            "-object", f"memory-backend-memfd,id=ram,size={vm.RAM}B,share=on",
            "-kernel", str(image), "-initrd", str(archive), "-append", vm.CMDLINE]


def _off(command: list[str], bench: Bench) -> Run:
    """A boot and its end. Raises Failed when the machine ended otherwise: a panic would be a floor far too low."""
    log = bench.scratch / "bare.log"
    log.write_bytes(b"")
    found = run(command, bench.environment)
    console = log.read_text(errors="replace")
    if "Power down" not in console:
        raise Failed(f"the bare machine did not power off: {console.strip().splitlines()[-1:]}")
    return found


def _answered(name: str, bench: Bench) -> Run:
    """A cold boot in a process of its own; its seconds begin before the initramfs is made."""
    found = run([sys.executable, "-m", "benchmarks.floor", name], bench.environment)
    return found._replace(seconds=float(found.output.split()[-1]))


def _boot(column: Column) -> float:
    kernel = kernels.source_of(column).resolve(column, lambda line: None)
    modules = frozenset[str]().union(*(behaviour.modules for behaviour in catalog.behaviours(ROOT)))
    log = Path(tempfile.gettempdir()) / "agent.log"
    started = time.perf_counter()
    with backends.machine(qemu, dataclasses.replace(column, cold=True), kernel, modules, log, lambda line: None):
        return time.perf_counter() - started


if __name__ == "__main__":
    print(_boot(catalog.column(sys.argv[1], catalog.entries(ROOT))))
