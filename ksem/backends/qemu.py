"""Boots a kernel directly in QEMU: no network, no disk but those of `disks`, the agent alone on a serial line.

Contract: the standard library, `bzimage`, `initramfs`, `kernel_modules`, `machine`, `model`, `cache`, `disks`. QEMU's standard
input and output are the agent's line, so a machine that ends is noticed at once and nothing has a name that could be left
behind; kernel and initramfs are anonymous files. QEMU dies with the process that started it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ksem import bzimage, cache, directing, disks, initramfs, kernel_modules
from ksem.backends import Running
from ksem.guest import init, wire
from ksem.guest.disks import serial
from ksem.guest.proxy import PORT
from ksem.machine import Machine
from ksem.model import Column, Kernel, KsemError, Lost, Say, Unavailable

PROGRAM = "qemu-system-x86_64"
MEMORY = 256
# Without the self-tests of the crypto API, which are a fifth of an emulated boot and nothing that a case sees.
CMDLINE = "console=ttyS0 quiet panic=-1 cryptomgr.notests rdinit=/init"
# Seconds until a boot under KVM, which takes one, is given up for emulation.
KVM_BOOT = 20.0
# Of the console: how many lines are searched for what befell the kernel, and how many are shown.
CONSOLE, SHOWN = 100, 15
_TROUBLE = re.compile(r"Kernel panic|BUG:|Oops|general protection|soft lockup|Out of memory")


@contextlib.contextmanager
def machine(column: Column, kernel: Kernel, modules: frozenset[str], log: Path, say: Say,
            more: bytes = b"") -> Iterator[Running]:
    """A booted kernel. An accelerator counts when a boot with it answers; the last one is emulation.

    more: another archive, whose files are there beside ours.
    """
    assert kernel.image is not None
    image = bzimage.vmlinux(kernel.image) or kernel.image.read_bytes()
    archive = _archive(kernel, modules) + more
    attached = disks.images(modules)
    candidates = accelerators()
    for accelerator in candidates:
        started = time.monotonic()
        with contextlib.ExitStack() as stack:
            running, memory, bell = stack.enter_context(_booted(image, archive, attached, accelerator, log))
            try:
                running.start(min(column.deadline, KVM_BOOT) if accelerator == "kvm" else column.deadline)
            except Lost as loss:
                if accelerator == candidates[-1]:
                    raise
                say(f"{accelerator} does not run this kernel ({loss.reason}): emulating")
                cache.set_boot_note("accelerator", "tcg")
                continue
            say(f"booted {kernel.release} in {time.monotonic() - started:.1f} s ({accelerator})")
            stack.enter_context(directing.directed(running, memory, bell, log.with_suffix(".cases.log")))
            yield Running(running, {"backend": "qemu", "accelerator": accelerator})
            return


def check(column: Column) -> None:
    """Raise Unavailable when a program is missing; the message says which package has it."""
    if column.source in ("host", "machine"):
        raise KsemError(f"{column.name}: the backend qemu boots an image, and kernel = \"{column.source}\" has none")
    _program()
    _watched()
    if shutil.which("ldd") is None:
        raise Unavailable("ldd is missing: install the package libc-bin")


def _archive(kernel: Kernel, modules: frozenset[str]) -> bytes:
    if kernel.modules is None:
        return initramfs.build({}, {})
    contents, order = kernel_modules.files(kernel.modules, modules)
    return initramfs.build(contents, order)


@contextlib.contextmanager
def _booted(image: bytes, archive: bytes, attached: Mapping[str, Path], accelerator: str,
            log: Path) -> Iterator[tuple[Machine, int, int]]:
    """QEMU with its agent's line, memory that it shares and the bell; killed at the end, as nothing in it is to be kept."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    with _anonymous("shared", bytes(init.SHARED)) as memory, _pipe() as (bell, ringing):
        with _anonymous("kernel", image) as kernel, _anonymous("initramfs", archive) as initrd:
            shared = wire.Shared(memoryview(mmap.mmap(memory, init.SHARED))[:init.TALK], upper=False, seen=False)
            process = subprocess.Popen(
                [*_watched(), *command(f"/proc/self/fd/{kernel}", f"/proc/self/fd/{initrd}", accelerator, log),
                 *_drives(attached), *_sharing(f"/proc/self/fd/{memory}", f"/proc/self/fd/{ringing}")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=[kernel, initrd, memory, ringing], start_new_session=True, bufsize=0)
        # Whoever hears the bell must hear that QEMU is gone.
        os.close(ringing)
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            channel = wire.Channel(process.stdout.fileno(), process.stdin.fileno(), shared)
            yield Machine(channel, lambda: _last_words(process, log)), memory, bell
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()


@contextlib.contextmanager
def _anonymous(name: str, content: bytes) -> Iterator[int]:
    """The descriptor of a file in memory that has no name anywhere."""
    descriptor = os.memfd_create(name)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """A pipe: the end to read from, and the one to write to, which the caller closes."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)


def command(image: str, initrd: str, accelerator: str, log: Path) -> list[str]:
    """QEMU's command line; q35 because microvm hangs at random under emulation."""
    return [
        _program(), "-M", "q35", "-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else "max",
        "-m", str(MEMORY), "-smp", "1", "-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-nic", "none",
        "-chardev", f"file,id=console,path={_escaped(log)}", "-serial", "chardev:console",
        "-chardev", "stdio,id=agent,signal=off", "-serial", "chardev:agent",
        "-kernel", image, "-initrd", initrd, "-append", CMDLINE,
    ]


def _drives(images: Mapping[str, Path]) -> list[str]:
    """Disks on NVMe, whose driver is built into every kernel; what is written to them is gone with the machine."""
    return [word for name, path in images.items() for word in (
        "-drive", f"if=none,id={name},format=raw,snapshot=on,file={_escaped(path)}",
        "-device", f"nvme,drive={name},serial={serial(name)}")]


def _sharing(memory: str, bell: str) -> list[str]:
    """Memory that we and the machine both see, where ksem.guest.init looks for it, and a port that its proxy rings at."""
    return ["-object", f"memory-backend-file,id=shared,mem-path={memory},size={init.SHARED},share=on",
            "-device", f"ivshmem-plain,memdev=shared,addr={init.SLOT}",
            "-chardev", f"file,id=bell,path={bell}", "-device", f"isa-debugcon,iobase={PORT},chardev=bell"]


def accelerators() -> list[str]:
    """What to try, best first. /dev/kvm can open and still never run a guest: that it failed is remembered."""
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and cache.boot_note("accelerator") != "tcg"
    return ["kvm", "tcg"] if usable else ["tcg"]


def _watched() -> list[str]:
    """What makes the kernel end QEMU when its parent dies, however that comes about."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Unavailable("setpriv is missing: install the package util-linux")
    return [setpriv, "--pdeathsig", "KILL", "--"]


def _program() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise Unavailable(f"{PROGRAM} is missing: apt-get install qemu-system-x86")
    return found


def _last_words(process: subprocess.Popen[bytes], log: Path) -> str:
    """The console from where the kernel says what befell it, else its last lines; QEMU's own complaint when there are none."""
    lines = log.read_bytes().decode("utf-8", "replace").splitlines()
    if not lines and process.poll() is not None and process.stderr is not None:
        lines = process.stderr.read().decode("utf-8", "replace").splitlines()
    recent = [line.rstrip() for line in lines[-CONSOLE:]]
    start = next((number for number, line in enumerate(recent) if _TROUBLE.search(line)), max(0, len(recent) - SHOWN))
    return "\n".join(recent[start:start + SHOWN])


def _escaped(path: Path) -> str:
    """A path in an option of QEMU's, where a comma is doubled."""
    return str(path).replace(",", ",,")
