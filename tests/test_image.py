"""A bzImage of the user's own: its release is read from the file, and what is no bzImage is told before a boot.

Guards: evidence of a self-built kernel stands under the release that the image itself names (Documentation/arch/x86/boot.rst).
"""

from __future__ import annotations

from pathlib import Path

import project
import pytest
from test_initramfs import module

from ksem.kernels import host, image
from ksem.model import Column, KsemError, Unavailable

VERSION = "6.12.90 (builder@host) #1 SMP Tue Nov 24 00:00:00 UTC 2026"


def bzimage(path: Path, version: str = VERSION, magic: bytes = b"HdrS", pointer: int = 0x1000) -> Path:
    """A file with as much of a bzImage's header as names its version."""
    data = bytearray(0x4000)
    data[0x202:0x206] = magic
    data[0x20E:0x210] = pointer.to_bytes(2, "little")
    data[pointer + 0x200:pointer + 0x200 + len(version) + 1] = version.encode() + b"\0"
    path.write_bytes(data)
    return path


def column(path: Path, modules: Path | None = None) -> Column:
    """The column of an image."""
    return Column(f"image:{path}", "qemu", f"image:{path}", modules)


def test_the_release_is_read_from_the_image(tmp_path: Path) -> None:
    path = bzimage(tmp_path / "bzImage")
    kernel = image.resolve(column(path), print)
    assert (kernel.release, kernel.package, kernel.image, kernel.modules, kernel.config) == (
        "6.12.90", "6.12.90", path, None, None)
    assert image.at_hand(column(path)) == kernel


@pytest.mark.parametrize(("version", "release", "package"), [
    ("6.19.0-rc4-00012-gabc (me@here) #3 SMP", "6.19.0-rc4", "6.19.0-rc4-00012-gabc"),
    ("6.1.0-56-cloud-amd64 (debian@x) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-09-10)", "6.1.192", "6.1.0-56-cloud-amd64"),
    ("7.3.0+", "7.3.0", "7.3.0+"),
])
def test_upstream_and_own_release_may_differ(tmp_path: Path, version: str, release: str, package: str) -> None:
    kernel = image.resolve(column(bzimage(tmp_path / "bzImage", version)), print)
    assert (kernel.release, kernel.package) == (release, package)


def test_a_configuration_beside_the_image_is_found(tmp_path: Path) -> None:
    path = bzimage(tmp_path / "vmlinuz-6.12.90")
    (tmp_path / "config-6.12.90").write_text("")
    assert image.resolve(column(path), print).config == tmp_path / "config-6.12.90"


@pytest.mark.parametrize("content", [b"", b"\x7fELF", bytes(0x4000), b"MZ" + bytes(0x300)])
def test_what_is_no_bzimage_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vmlinux").write_bytes(content)
    with pytest.raises(KsemError, match="vmlinux is no bzImage"):
        image.resolve(column(tmp_path / "vmlinux"), print)
    assert image.at_hand(column(tmp_path / "vmlinux")) is None


@pytest.mark.parametrize("pointer", [0x1000, 0xFFFF])
def test_an_image_that_names_no_version_is_refused(tmp_path: Path, pointer: int) -> None:
    path = bzimage(tmp_path / "bzImage", version="\x90\x90")
    data = bytearray(path.read_bytes())
    data[0x20E:0x210] = pointer.to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(KsemError, match="no kernel version"):
        image.resolve(column(path), print)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KsemError, match="bzImage: No such file"):
        image.resolve(column(tmp_path / "bzImage"), print)


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_a_file_that_an_entry_names_costs_its_column_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(Unavailable) as caught:
        image.check(Column("mine", "qemu", f"image:{tmp_path}/{name}"))
    assert str(caught.value).startswith(f"mine: {tmp_path}/{name}")
    # A word of the command line is a mistake that is mended at once.
    with pytest.raises(KsemError) as caught_too:
        image.check(column(tmp_path / name))
    assert not isinstance(caught_too.value, Unavailable)


def test_the_other_columns_of_a_run_go_on(tmp_path: Path) -> None:
    made = project.make(tmp_path, fine=project.FINE)
    (made / "vms").mkdir()
    (made / "vms" / "catalog.toml").write_text('[local]\nbackend = "local"\nkernel = "host"\n'
                                               '[mine]\nbackend = "qemu"\nkernel = "image:gone/bzImage"\n')
    done = project.ksem(made, "run", "-q")
    assert (done.returncode, "1 passed, 1 error" in done.stdout) == (1, True), done.stdout + done.stderr
    assert "gone/bzImage: No such file or directory" in " ".join(done.stdout.split())
    assert [one.name for one in (made / "results").glob("*.json")] == ["local.json"]
    assert project.ksem(made, "run", "-q", "mine").returncode == 2


def test_a_directory_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(KsemError, match=str(tmp_path)):
        image.resolve(column(tmp_path), print)


@pytest.mark.parametrize("name", ["xfs.ko", "xfs.ko.xz"])
def test_modules_of_the_same_build_are_taken(tmp_path: Path, name: str) -> None:
    module(tmp_path / "modules/kernel/fs" / name, vermagic="6.12.90 SMP preempt mod_unload ")
    path = bzimage(tmp_path / "bzImage")
    assert image.resolve(column(path, tmp_path / "modules"), print).modules == tmp_path / "modules"


@pytest.mark.parametrize(("vermagic", "named"), [
    ("6.12.91 SMP", "6.12.91"), ("6.12.90+ SMP", r"6\.12\.90\+"), ("", "unknown release"),
])
def test_modules_of_another_build_are_refused(tmp_path: Path, vermagic: str, named: str) -> None:
    module(tmp_path / "modules/kernel/xfs.ko", vermagic=vermagic)
    with pytest.raises(KsemError, match=f"modules of .*{named}.*the image is 6.12.90"):
        image.resolve(column(bzimage(tmp_path / "bzImage"), tmp_path / "modules"), print)


def test_a_directory_without_modules_is_refused(tmp_path: Path) -> None:
    path = bzimage(tmp_path / "bzImage")
    (tmp_path / "empty").mkdir()
    for directory in ("empty", "nowhere"):
        with pytest.raises(KsemError, match=f"{directory} holds no modules"):
            image.resolve(column(path, tmp_path / directory), print)


@pytest.mark.parametrize(("name", "expected"), [("image:a/b", True), ("image", False), ("a/b", False), ("local", False)])
def test_an_images_column_is_known_by_its_prefix(name: str, expected: bool) -> None:
    assert (image.column(name) is not None) is expected


def test_the_running_kernel_is_always_at_hand() -> None:
    column = host.column("local")
    assert column == Column("local", "local", "host")
    assert host.column("localhost") is None
    assert column is not None
    assert host.resolve(column, print) == host.at_hand(column)
    assert host.at_hand(column).release[:1].isdigit()
