"""Boots a kernel directly in QEMU, or restores it as it was once it had booted.

Contract: the standard library, `bzimage`, `initramfs`, `kernel_modules`, `vm`, `qmp`, `snapshots`, `model`, `cache`, `disks`. A
machine is saved when it waits for a director: nothing of ksem.guest and no case is in it yet, so that none of them ever means a
boot. A snapshot that cannot be used, for whatever reason, costs a boot and a line, and another takes its place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ksem import bzimage, cache, disks, initramfs, kernel_modules, snapshots, vm
from ksem.backends import Running
from ksem.model import Column, Kernel, KsemError, Lost, Say, Unavailable
from ksem.qmp import MonitorError
from ksem.vm import VirtualMachine

PRISTINE = True
# Seconds until a boot under KVM, which takes one, is given up for emulation.
KVM_BOOT = 20.0


@contextlib.contextmanager
def machine(column: Column, kernel: Kernel, modules: frozenset[str], log: Path, say: Say,
            more: bytes = b"") -> Iterator[Running]:
    """A kernel that answers. An accelerator counts when a machine with it answers; the last one is emulation.

    more: another archive, for what is to be in a directory of ours too; such a machine is not kept.
    """
    assert kernel.image is not None
    plan = _Plan(column, kernel, modules, more, disks.images(modules), log, say)
    parts: _Parts | None = plan.parts()
    candidates = accelerators()
    for accelerator in candidates:
        assert parts is not None
        kept = None if column.cold or more or not snapshots.limit() else plan.name(parts, accelerator)
        with contextlib.ExitStack() as stack:
            try:
                started = time.monotonic()
                restored = plan.restored(stack, accelerator, kept) if kept else None
                found = restored or plan.booted(stack, accelerator, kept, parts)
            except Lost as loss:
                if accelerator == candidates[-1]:
                    raise
                say(f"{accelerator} does not run this kernel ({loss.reason}): emulating")
                cache.set_boot_note("accelerator", "tcg")
                continue
            how = "restored" if restored else "booted"
            # Nobody needs these 50 MB for as long as the machine is there.
            parts = None
            yield Running(found.machine, {"backend": "qemu", "accelerator": accelerator},
                          f"{how} {kernel.release} in {time.monotonic() - started:.1f} s ({accelerator})", found.fate)
            return


def check(column: Column) -> None:
    """Raise Unavailable when a program is missing; the message says which package has it."""
    if column.source in ("host", "machine"):
        raise KsemError(f"{column.name}: the backend qemu boots an image, and kernel = \"{column.source}\" has none")
    snapshots.limit()
    vm.program()
    vm.watched()
    if shutil.which("ldd") is None:
        raise Unavailable("ldd is missing: install the package libc-bin")


class _Parts(NamedTuple):
    """What a machine boots: the kernel's file, and an initramfs; and the modules that its director has for it, by name."""

    image: bytes
    archive: bytes
    modules: Mapping[str, bytes]


@dataclass(frozen=True)
class _Plan:
    """What else a machine is made of, but its accelerator."""

    column: Column
    kernel: Kernel
    modules: frozenset[str]
    more: bytes
    drives: Mapping[str, Path]
    log: Path
    say: Say

    def parts(self, interpreter: bool = False) -> _Parts:
        """What it boots. interpreter: whether it is to run its cases itself, if need be."""
        assert self.kernel.image is not None
        modules, order = _modules(self.kernel, self.modules)
        sent: dict[str, bytes] = {} if interpreter else modules
        archive = initramfs.build(modules, order, "serial") if interpreter else initramfs.build({}, order)
        return _Parts(self.kernel.image.read_bytes(), archive + self.more, sent)

    def name(self, parts: _Parts, accelerator: str) -> str:
        """What it is kept as. The image is the file's, which is quicker to read than what is unpacked of it."""
        processor = _processor() if accelerator == "kvm" else b""
        return snapshots.name(f"{self.kernel.release}-{accelerator}",
                              [*vm.shape(accelerator), processor, parts.image, parts.archive, *parts.modules.values()])

    def restored(self, stack: contextlib.ExitStack, accelerator: str, kept: str) -> VirtualMachine | None:
        """The machine as it was kept; None when there is none, or none that can be used."""
        try:
            with contextlib.ExitStack() as attempt:
                state = attempt.enter_context(snapshots.opened(kept))
                if state is None:
                    return None
                found = attempt.enter_context(vm.restored(state.fileno(), self.drives, accelerator, self.log))
                # It takes as much memory as the machine, which has it all now.
                state.truncate(0)
                found.plug(self.drives)
                # All its modules are loaded.
                attempt.enter_context(found.directed({}))
                stack.enter_context(attempt.pop_all())
        except (Lost, KsemError, snapshots.Damaged) as problem:
            self.say(f"the saved machine cannot be used ({problem}): booting another")
            snapshots.discard(kept)
            return None
        return found

    def booted(self, stack: contextlib.ExitStack, accelerator: str, kept: str | None, parts: _Parts) -> VirtualMachine:
        """A machine from the beginning; kept, if it is to be, and does not die of it. Raises Lost."""
        deadline = min(self.column.deadline, KVM_BOOT) if accelerator == "kvm" else self.column.deadline
        assert self.kernel.image is not None
        image = bzimage.vmlinux(self.kernel.image) or parts.image
        with contextlib.ExitStack() as attempt:
            found = attempt.enter_context(vm.booted(image, parts.archive, self.drives, accelerator, self.log))
            if not found.rings(deadline):
                if not found.lacks_agent():
                    found.machine.start(deadline)
                    found.plug(self.drives)
                    # Nobody could tell it the time when it is restored.
                    stack.enter_context(attempt.pop_all())
                    return found
                self.say(f"{self.kernel.release} cannot be directed from outside: booting it with an interpreter")
                parts = self.parts(interpreter=True)
            elif not kept or self._keep(found, kept, parts):
                found.plug(self.drives)
                attempt.enter_context(found.directed(parts.modules))
                stack.enter_context(attempt.pop_all())
                return found
        return self.booted(stack, accelerator, None, parts)

    def _keep(self, found: VirtualMachine, kept: str, parts: _Parts) -> bool:
        """Keep it with all its modules loaded, which takes longer than all else before a case; whether it is still there."""
        try:
            with found.directed(parts.modules):
                found.machine.load_modules(self.column.deadline)
                found.machine.stop()
        except Lost as loss:
            self.say(f"this machine is not kept ({loss.reason}): booting another")
            return False
        try:
            snapshots.keep(kept, found.save())
        except (KsemError, MonitorError) as problem:
            self.say(f"this machine is not kept, and the next has to boot again: {problem}")
        return True


def _modules(kernel: Kernel, wanted: frozenset[str]) -> kernel_modules.Files:
    """Those of a kernel as it is to get them, and their order."""
    if kernel.modules is None:
        return {}, {}
    contents, order = kernel_modules.files(kernel.modules, wanted)
    if kernel.config is not None and "CONFIG_MODULE_SIG_FORCE=y" not in kernel.config.read_text():
        contents = {name: kernel_modules.untraced(module) for name, module in contents.items()}
    return contents, order


def _processor() -> bytes:
    """What of the host's processor a machine may have seen under KVM."""
    lines = Path("/proc/cpuinfo").read_bytes().partition(b"\n\n")[0].splitlines()
    return b"\n".join(line for line in lines if line.startswith((b"model", b"vendor_id", b"stepping", b"microcode", b"flags")))


def accelerators() -> list[str]:
    """What to try, best first. /dev/kvm can open and still never run a guest: that it failed is remembered."""
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and cache.boot_note("accelerator") != "tcg"
    return ["kvm", "tcg"] if usable else ["tcg"]
