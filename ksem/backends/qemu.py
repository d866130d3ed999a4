"""Boots a kernel directly in QEMU, or restores it as it was once it had booted.

Contract: the standard library, `bzimage`, `initramfs`, `kernel_modules`, `vm`, `directing`, `qmp`, `snapshots`, `machine`,
`model`, `cache`, `disks`. A machine is saved when it waits for a director: no case and nothing that runs one is in it yet, so
that none of them ever means a boot. A snapshot that cannot be used, for whatever reason, costs a boot and a line, and another
takes its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ksem import bzimage, cache, directing, disks, initramfs, kernel_modules, snapshots, vm
from ksem.backends import Coming, Running, Steps, coming
from ksem.machine import GUEST
from ksem.model import Column, Kernel, KsemError, Lost, Say
from ksem.qmp import MonitorError
from ksem.vm import VirtualMachine

PRISTINE = True
ahead = directing.ahead
# Seconds until a boot under KVM, which takes one, is given up for emulation.
KVM_BOOT = 20.0
# What a machine is kept as.
AREAS = (*vm.AREAS, "surroundings")
# What may be wrong with one that was.
_UNUSABLE = (Lost, KsemError, snapshots.Damaged, OSError, ValueError, LookupError, TypeError)


def begun(column: Column, kernel: Kernel, modules: frozenset[str], log: Path, say: Say,
          more: bytes = b"") -> AbstractContextManager[Coming]:
    """A kernel that answers.

    more: another archive, for what is to be in a directory of ours too; such a machine is not kept.
    """
    return coming(lambda stack: _Plan(column, kernel, modules, more, disks.images(modules), log, say).steps(stack))


def check(column: Column) -> None:
    """Raise Unavailable when a program is missing; the message says which package has it."""
    if column.source in ("host", "machine"):
        raise KsemError(f"{column.name}: the backend qemu boots an image, and kernel = \"{column.source}\" has none")
    snapshots.limit()
    vm.program()
    vm.watched()


@dataclass(frozen=True)
class _Plan:
    """What a machine is made of, but its accelerator."""

    column: Column
    kernel: Kernel
    modules: frozenset[str]
    more: bytes
    drives: Mapping[str, Path]
    log: Path
    say: Say

    @property
    def image(self) -> Path:
        """The kernel's file."""
        assert self.kernel.image is not None
        return self.kernel.image

    def steps(self, stack: contextlib.ExitStack) -> Steps:
        """An accelerator counts when a machine with it answers; the last one is emulation."""
        candidates = accelerators()
        for accelerator in candidates:
            try:
                kept = self.kept_as(accelerator)
                restored = (yield from self.restored(stack, accelerator, kept)) if kept else None
                found = restored or (yield from self.booted(stack, accelerator, kept))
            except Lost as loss:
                if accelerator == candidates[-1]:
                    raise
                self.say(f"{accelerator} does not run this kernel ({loss.reason}): emulating")
                continue
            if accelerator != candidates[0]:
                # Not what the host lacks for any machine, as room for temporary files.
                cache.set_boot_note("accelerator", accelerator)
            break
        def fate() -> str:
            if kept:
                snapshots.doubt(kept)
            return found.fate()

        return Running(found.machine, {"backend": "qemu", "accelerator": accelerator},
                       f"{'restored' if restored else 'booted'} {self.kernel.release} ({accelerator})", fate)

    def kept_as(self, accelerator: str) -> str | None:
        """The name of such a machine; None when it is not to be kept.

        Kernel and modules are told apart by what is known of their files: to read them takes longer than to restore a machine.
        A user's own image may be replaced by another of the same size and time, but for that of the change, which nobody sets.
        """
        if self.column.cold or self.more or not snapshots.limit():
            return None
        image = os.stat(self.image)
        parts = [
            *vm.shape(accelerator), _processor() if accelerator == "kvm" else b"", initramfs.build({}, {}),
            f"{self.kernel.package} {image.st_size} {image.st_mtime_ns}".encode(),
            b"" if self.column.source.startswith("debian:") else f"{image.st_ino} {image.st_ctime_ns}".encode(),
            kernel_modules.key(self.kernel.modules, self.modules).encode() if self.kernel.modules else b"",
            b"signed" if _insists_on_signatures(self.kernel) else b""]
        return snapshots.name(f"{self.kernel.release}-{accelerator}", parts)

    def restored(self, stack: contextlib.ExitStack, accelerator: str,
                 kept: str) -> Generator[None, None, VirtualMachine | None]:
        """The machine as it was kept; None when there is none, or none that can be used."""
        try:
            with contextlib.ExitStack() as attempt:
                saved = attempt.enter_context(snapshots.opened(kept))
                if saved is None:
                    return None
                if len(saved.areas) != len(AREAS):
                    raise snapshots.Damaged("it is no machine")
                shared = saved.area(AREAS.index("shared"))
                # QEMU reads on while we check.
                file = attempt.enter_context(saved.reader(AREAS.index("devices")))
                found = attempt.enter_context(vm.restored(file, shared, self.drives, accelerator, self.log))
                found.take(file)
                # All its modules are loaded.
                direct = attempt.enter_context(found.director({}))
                attempt.callback(found.kill)
                started = direct()
                yield
                # Before anything is believed of it.
                saved.check()
                told = json.loads(saved.area(AREAS.index("surroundings")))
                found.machine.surroundings = told["surroundings"] if told["by"] == _asking() else None
                found.machine.lend(self.drives, found.plug)
                yield
                # Only now: QEMU does not say much while the machine is directed.
                found.begin()
                found.runs()
                started()
                stack.enter_context(attempt.pop_all())
        except _UNUSABLE as problem:
            # It stays until another takes its place: perhaps there is no room for temporary files.
            self.say(f"the saved machine cannot be used ({problem}): booting another")
            return None
        return found

    def booted(self, stack: contextlib.ExitStack, accelerator: str, kept: str | None,
               interpreter: bool = False) -> Generator[None, None, VirtualMachine]:
        """A machine from the beginning; kept, if it is to be, and does not die of it. Raises Lost.

        interpreter: whether it is to run its cases itself, if need be.
        """
        deadline = min(self.column.deadline, KVM_BOOT) if accelerator == "kvm" else self.column.deadline
        modules, order = _modules(self.kernel, self.modules)
        archive = initramfs.build(modules, order, "serial") if interpreter else initramfs.build({}, order)
        with contextlib.ExitStack() as attempt:
            image = bzimage.vmlinux(self.image) or self.image.read_bytes()
            found = attempt.enter_context(vm.booted(image, archive + self.more, self.drives, accelerator, self.log))
            found.begin()
            yield
            if not found.rings(deadline):
                if interpreter or not found.lacks_agent():
                    found.machine.start(deadline)
                    found.machine.lend(self.drives, found.plug)
                    # Nobody could tell it the time when it is restored.
                    stack.enter_context(attempt.pop_all())
                    return found
                self.say(f"{self.kernel.release} cannot be directed from outside: booting it with an interpreter")
                interpreter = True
            elif not kept or self._keep(found, kept, modules):
                direct = attempt.enter_context(found.director({} if kept else modules))
                attempt.callback(found.kill)
                found.machine.lend(self.drives, found.plug)
                direct()()
                stack.enter_context(attempt.pop_all())
                return found
        return (yield from self.booted(stack, accelerator, None, interpreter))

    def _keep(self, found: VirtualMachine, kept: str, modules: Mapping[str, bytes]) -> bool:
        """Keep it with all its modules loaded, which takes longer than all else before a case; whether it is still there."""
        snapshots.discard(kept)
        try:
            with found.director(modules) as direct:
                direct()()
                found.machine.load_modules(self.column.deadline)
                told = {"by": _asking(), "surroundings": found.machine.environment(())}
                found.machine.clear()
                found.machine.stop()
        except Lost as loss:
            self.say(f"this machine is not kept ({loss.reason}): booting another")
            return False
        try:
            with found.saved() as areas:
                snapshots.keep(kept, [*areas, json.dumps(told).encode()])
        except Lost as loss:
            self.say(f"this machine is not kept ({loss.reason}): booting another")
            return False
        except (KsemError, MonitorError, OSError) as problem:
            self.say(f"this machine is not kept, and the next has to boot again: {problem}")
        return True


def _asking() -> str:
    """What tells the code that asks a machine of its surroundings from other such code: what that told is of no use to this."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(GUEST.glob("*.py")))).hexdigest()


def _modules(kernel: Kernel, wanted: frozenset[str]) -> kernel_modules.Files:
    """Those of a kernel as it is to get them, and their order."""
    if kernel.modules is None:
        return {}, {}
    contents, order = kernel_modules.files(kernel.modules, wanted)
    if not _insists_on_signatures(kernel):
        contents = {name: kernel_modules.untraced(module) for name, module in contents.items()}
    return contents, order


def _insists_on_signatures(kernel: Kernel) -> bool:
    """Whether it takes no module without one, or may be such a kernel."""
    return kernel.config is None or "CONFIG_MODULE_SIG_FORCE=y" in kernel.config.read_text()


def _processor() -> bytes:
    """What of the host's processor a machine may have seen under KVM."""
    lines = Path("/proc/cpuinfo").read_bytes().partition(b"\n\n")[0].splitlines()
    return b"\n".join(line for line in lines if line.startswith((b"model", b"vendor_id", b"stepping", b"microcode", b"flags")))


def accelerators() -> list[str]:
    """What to try, best first. /dev/kvm can open and still never run a guest: that it failed is remembered."""
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and cache.boot_note("accelerator") != "tcg"
    return ["kvm", "tcg"] if usable else ["tcg"]
