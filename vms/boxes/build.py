"""Build the local Vagrant boxes, one per Debian release, from the archive's packages: no box is downloaded.

    build.py [NAME...]      the boxes of boxes.toml, by default all of them

Contract: the standard library and ksem. Needs root and the programs of PROGRAMS. A box becomes CACHE/boxes/NAME.box and is
added to Vagrant as `ksem/NAME`, for the provider libvirt. It boots by itself, by MBR and GRUB on a disk of one partition,
so that only the wrapping is libvirt's. It is built again only when its inputs changed: this directory, the version of the
kernel that the archive offers, or Vagrant's insecure key. Its digest is in the box's own metadata, which Vagrant keeps.

Nothing half-made stays behind: all work is done in a temporary directory, below a lock, in namespaces that end with it.
Exit status 2, with one line on stderr, when a box cannot be built.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ksem import cache
from ksem.kernels import debian
from ksem.model import KsemError, Unavailable

HERE = Path(__file__).resolve().parent
GRUB = Path("/usr/lib/grub/i386-pc")
HOOKS = Path("/usr/share/mmdebstrap/hooks")
# What each needed program or file comes from.
PROGRAMS = {
    "mmdebstrap": "mmdebstrap", "unshare": "util-linux", "mkfs.ext4": "e2fsprogs", "qemu-img": "qemu-utils",
    "grub-mkimage": "grub-common", str(GRUB / "boot.img"): "grub-pc-bin", "vagrant": "vagrant",
    str(debian.KEYRING): "debian-archive-keyring", "setpriv": "util-linux",
}
# python3 and not python3-minimal: the agent needs ctypes and json.
PACKAGES = ("systemd-sysv", "udev", "openssh-server", "sudo", "python3", "iproute2", "apparmor", "uidmap", "initramfs-tools")
UNWANTED = ("doc", "man", "info", "locale", "lintian", "bash-completion")
DISK_MB = 4096  # sparse; room for images of filesystems
PARTITION = 2048  # its first sector, as everybody has it; GRUB's core lies before it
SECTOR = 512
# The same for every box and boot: a program that reads /proc/cmdline sees no difference. The rest of the line is Debian's own.
# no_timer_check: how KVM's guests boot anyway. An emulated one that a busy machine gives too little time panics at that check.
COMMAND_LINE = "root=/dev/vda1 ro console=ttyS0 quiet no_timer_check"
GRUB_SCRIPT = f"set root=(hd0,msdos1)\nlinux /vmlinuz {COMMAND_LINE}\ninitrd /initrd.img\nboot\n"
GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "linux", "boot")
# No feature that the oldest release's e2fsck or the kernels of ten years ago do not know.
FILESYSTEM = ("-L", "root", "-O", "^orphan_file,^metadata_csum_seed", "-E", f"offset={PARTITION * SECTOR},lazy_itable_init=1",
              "-m", "0", "-F", "-q")
BOX_VAGRANTFILE = """Vagrant.configure("2") do |config|
  config.vm.synced_folder ".", "/vagrant", disabled: true
end
"""


@dataclass(frozen=True)
class Recipe:
    """An entry of boxes.toml."""

    name: str
    suite: str
    kernel: str

    @property
    def suites(self) -> tuple[str, ...]:
        """All suites that the box is made from."""
        return tuple(dict.fromkeys((self.suite, f"{self.suite}-security", self.kernel)))

    @property
    def kernel_suites(self) -> tuple[str, ...]:
        """Where its kernel may come from."""
        return (self.kernel,) if self.kernel != self.suite else (self.suite, f"{self.suite}-security")


def main(arguments: list[str]) -> int:
    """Build what is named."""
    # SIGTERM unwinds like Ctrl-C: the temporary directory goes, and the programs with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        recipes = _recipes(arguments)
        with cache.locked(cache.directory("boxes")):
            for recipe in recipes:
                _provide(recipe)
    except KsemError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"build.py: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _recipes(names: list[str]) -> list[Recipe]:
    table = tomllib.loads((HERE / "boxes.toml").read_text())
    unknown = [name for name in names if name not in table]
    if unknown:
        raise KsemError(f"no box {unknown[0]}: there are {', '.join(table)}")
    return [Recipe(name, entry["suite"], entry.get("kernel", entry["suite"]))
            for name, entry in table.items() if name in names or not names]


def _provide(recipe: Recipe) -> None:
    """The box, built if its inputs changed, and known to Vagrant."""
    box = cache.directory("boxes") / f"{recipe.name}.box"
    key = _insecure_key()
    try:
        kernel = debian.newest(recipe.kernel_suites, _say)
    except Unavailable as problem:
        if not box.exists():
            raise
        _say(f"{recipe.name}: kept as it is: {problem}")
        return
    digest = _digest(recipe, kernel, key)
    if _digest_of_box(box) != digest:
        _check()
        with _timed(f"{recipe.name}: built with {kernel.name} {kernel.version}"):
            _build(recipe, kernel, digest, key, box)
    elif _digest_in_vagrant(recipe) == digest:
        _say(f"{recipe.name}: up to date")
        return
    with _timed(f"{recipe.name}: {box.stat().st_size / 1e6:.0f} MB, added to Vagrant as ksem/{recipe.name}"):
        _run("vagrant", "box", "add", "--force", "--name", f"ksem/{recipe.name}", str(box))


def _check() -> None:
    """Raise KsemError for what keeps every box from being built."""
    missing = [package for program, package in PROGRAMS.items() if not (shutil.which(program) or Path(program).is_file())]
    if missing:
        raise KsemError(f"missing: apt-get install --no-install-recommends {' '.join(missing)}")
    if os.geteuid() != 0:
        raise KsemError("a root filesystem can only be made by root: run this as root")


def _insecure_key() -> str:
    """Vagrant's well-known public key, wherever its package keeps it."""
    for pattern in ("usr/share/rubygems-integration/all/gems/vagrant-*/keys/vagrant.pub",  # Debian
                    "opt/vagrant/embedded/gems/**/vagrant-*/keys/vagrant.pub"):  # HashiCorp
        for path in sorted(Path("/").glob(pattern), reverse=True):
            return path.read_text()
    raise KsemError("Vagrant's insecure public key is missing: apt-get install vagrant")


def _digest(recipe: Recipe, kernel: debian.Offer, key: str) -> str:
    """Stands for all that the box is made from, as far as it is known before it is made."""
    digest = hashlib.sha256(repr((recipe, kernel, key)).encode())
    for path in sorted(HERE.rglob("*")):
        # The table has its say through the recipe: a new entry leaves the other boxes alone.
        if path.is_file() and path.name != "boxes.toml" and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(HERE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _digest_of_box(box: Path) -> str:
    try:
        with tarfile.open(box) as archive:
            member = archive.extractfile("metadata.json")
            return str(json.load(member)["ksem"]) if member else ""
    except (OSError, ValueError, KeyError, tarfile.TarError):
        return ""


def _digest_in_vagrant(recipe: Recipe) -> str:
    # Read from where Vagrant keeps boxes: to ask `vagrant box list` takes seconds and tells no digest.
    home = Path(os.environ.get("VAGRANT_HOME") or "~/.vagrant.d").expanduser()
    try:
        text = (home / f"boxes/ksem-VAGRANTSLASH-{recipe.name}/0/libvirt/metadata.json").read_text()
        return str(json.loads(text)["ksem"])
    except (OSError, ValueError, KeyError):
        return ""


def _build(recipe: Recipe, kernel: debian.Offer, digest: str, key: str, box: Path) -> None:
    """All of it beside the box, then put in its place."""
    for left in box.parent.glob(".build-*"):  # of a run that was killed: we hold the lock
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=box.parent, prefix=".build-") as text:
        work = Path(text)
        (work / "vagrant.pub").write_text(key)
        with _timed(f"{recipe.name}: root filesystem"):
            _install(recipe, kernel, work)
        with _timed(f"{recipe.name}: disk"):
            _make_disk(work)
            _run("qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd",
                 str(work / "disk"), str(work / "box.img"))
        metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_MB // 1024, "ksem": digest}
        (work / "metadata.json").write_text(json.dumps(metadata))
        (work / "Vagrantfile").write_text(BOX_VAGRANTFILE)
        with tarfile.open(work / "box", "w") as archive:
            for name in ("metadata.json", "Vagrantfile", "box.img"):
                archive.add(work / name, name)
        (work / "box").replace(box)


def _install(recipe: Recipe, kernel: debian.Offer, work: Path) -> None:
    """Debian into work/root."""
    main, security = debian.mirrors()
    sources = [f"deb [signed-by={debian.KEYRING}] {security if suite.endswith('-security') else main} {suite} main"
               for suite in recipe.suites]
    # The kernel itself: linux-image-cloud-amd64, which names it, is what the archive loses first. With its suite, as apt
    # takes nothing from backports unasked.
    image = f"linux-image-{kernel.name}" + (f"/{recipe.kernel}" if recipe.kernel != recipe.suite else "")
    excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNWANTED]
    _run("mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--quiet",
         # /bin and /lib are links, as Debian's installer makes them since buster; bullseye's packages do not ask for it.
         f"--setup-hook={HOOKS}/merged-usr/setup00.sh",
         # Its stand-in for usr-is-merged becomes the real package, or goes where (bullseye) there is none.
         f'--essential-hook={HOOKS}/merged-usr/essential00.sh "$1" || chroot "$1" dpkg --purge usr-is-merged',
         f"--include={','.join((*PACKAGES, image))}", *excludes,
         # Before the packages: the initramfs is made while the kernel is installed.
         f'--setup-hook=cp -rT "{HERE}/root" "$1"',
         f'--customize-hook=cp "{work}/vagrant.pub" "$1/root/"',
         f'--customize-hook=chroot "$1" sh -s {recipe.name} <"{HERE}/finish.sh"',
         recipe.suite, str(work / "root"), *sources)


def _make_disk(work: Path) -> None:
    """work/disk from work/root: without a loop device or a mount, so that nothing can be left behind."""
    disk = work / "disk"
    sectors = DISK_MB * 1024 * 1024 // SECTOR - PARTITION
    with disk.open("wb") as file:
        file.truncate(DISK_MB * 1024 * 1024)
    _run("mkfs.ext4", *FILESYSTEM, "-d", str(work / "root"), str(disk), f"{sectors * SECTOR // 1024}k")
    (work / "grub.cfg").write_text(GRUB_SCRIPT)
    _run("grub-mkimage", "-O", "i386-pc", "-d", str(GRUB), "-p", "(hd0,msdos1)/boot/grub", "-c", str(work / "grub.cfg"),
         "-o", str(work / "core.img"), *GRUB_MODULES)
    core = (work / "core.img").read_bytes()
    assert len(core) <= (PARTITION - 1) * SECTOR
    # One active partition of type Linux. CHS says "too big to tell".
    entry = b"\x80\xfe\xff\xff\x83\xfe\xff\xff" + PARTITION.to_bytes(4, "little") + sectors.to_bytes(4, "little")
    with disk.open("r+b") as file:
        # boot.img loads sector 1, and what grub-mkimage made says itself that its rest follows from sector 2 on.
        file.write((GRUB / "boot.img").read_bytes()[:446] + entry + bytes(48) + b"\x55\xaa" + core)


def _run(*command: str) -> None:
    """Run in namespaces that end with us: neither a process nor a mount outlives even SIGKILL. Raises KsemError."""
    shield = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child")
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "VAGRANT_CHECKPOINT_DISABLE": "1"}
    done = subprocess.run((*shield, *command), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          env=environment)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        telling = [line for line in lines if re.search(r"No space|^E: |rror:", line)] or lines[-1:] or ["it said nothing"]
        raise KsemError(f"{command[0]} failed: {telling[0]}")


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    _say(f"{what} ({time.monotonic() - started:.0f} s)")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
