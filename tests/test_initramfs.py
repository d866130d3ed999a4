"""The archive that a kernel unpacks: every byte of it where the format says, the same archive for the same input.

Guards: a kernel that cannot read its archive panics without a word. The parser here is written from
Documentation/driver-api/early-userspace/buffer-format.rst, so that writer and reader can disagree.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import project
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksem import initramfs
from ksem.model import KsemError

NAMES = st.text(alphabet="abz.-_0", min_size=1, max_size=9).filter(lambda name: name not in (".", ".."))
MODES = st.sampled_from([stat.S_IFREG | 0o644, stat.S_IFREG | 0o755])
Entries = dict[str, tuple[int, bytes]]


def parsed(archive: bytes) -> dict[str, dict[str, int | bytes]]:
    """An archive's entries in its order, up to and without the trailer."""
    fields = ("ino", "mode", "uid", "gid", "nlink", "mtime", "filesize", "maj", "min", "rmaj", "rmin", "namesize", "chksum")
    entries: dict[str, dict[str, int | bytes]] = {}
    offset = 0
    while True:
        assert offset % 4 == 0
        header = archive[offset:offset + 110]
        assert header[:6] == b"070701"
        numbers = [int(header[start:start + 8], 16) for start in range(6, 110, 8)]
        entry: dict[str, int | bytes] = dict(zip(fields, numbers, strict=True))
        size, namesize = numbers[6], numbers[11]
        name = archive[offset + 110:offset + 110 + namesize]
        assert name.endswith(b"\0")
        data = (offset + 110 + namesize + 3) // 4 * 4
        entry["content"] = archive[data:data + size]
        offset = (data + size + 3) // 4 * 4
        if name == b"TRAILER!!!\0":
            assert offset == len(archive)
            return entries
        assert name[:-1].decode() not in entries
        entries[name[:-1].decode()] = entry


def contents(archive: bytes) -> dict[str, bytes]:
    """{path: content} of an archive."""
    return {name: bytes(entry["content"]) for name, entry in parsed(archive).items() if isinstance(entry["content"], bytes)}


def module(path: Path, depends: str = "", *entries: str, vermagic: str = "6.12 SMP") -> bytes:
    """A file with a .modinfo section like a module's; its content before any compression."""
    more = "".join(f"{entry}\0" for entry in entries)
    content = f"\x7fELF\0junk depends=no\0license=GPL\0{more}depends={depends}\0vermagic={vermagic}\0".encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(content) if path.suffix == ".xz" else content)
    return content


@given(st.dictionaries(NAMES, st.tuples(MODES, st.binary(max_size=40)), max_size=5))
def test_what_is_put_in_comes_out(entries: Entries) -> None:
    found = parsed(initramfs.cpio(entries))
    assert {name: (entry["mode"], entry["content"]) for name, entry in found.items()} == entries
    assert list(found) == sorted(entries)


@given(st.dictionaries(NAMES, st.tuples(MODES, st.binary(max_size=9)), max_size=4))
def test_the_order_of_the_input_leaves_no_mark(entries: Entries) -> None:
    assert initramfs.cpio(entries) == initramfs.cpio(dict(reversed(list(entries.items()))))


def test_parents_come_before_what_is_in_them() -> None:
    found = parsed(initramfs.cpio({"a/b/c": (stat.S_IFREG | 0o644, b"text"), "a/b": (stat.S_IFDIR | 0o700, b"")}))
    assert [(name, oct(int(entry["mode"]))) for name, entry in found.items()] == [
        ("a", "0o40755"), ("a/b", "0o40700"), ("a/b/c", "0o100644")]


def test_everything_is_roots_and_of_no_time() -> None:
    found = parsed(initramfs.cpio({"a/b": (stat.S_IFREG | 0o644, b"text"), "c": (stat.S_IFREG | 0o644, b"")}))
    fields = ("uid", "gid", "mtime", "nlink", "chksum")
    assert {tuple(entry[field] for field in fields) for entry in found.values()} == {(0, 0, 0, 1, 0)}
    assert len({entry["ino"] for entry in found.values()}) == len(found)


@pytest.mark.parametrize("program", [None, "serial", "handover"])
def test_two_builds_are_equal(program: str | None) -> None:
    first = initramfs.build({"xfs": b"module"}, {"xfs": ["xfs"]}, program)
    initramfs._base.cache_clear()
    assert initramfs.build({"xfs": b"module"}, {"xfs": ["xfs"]}, program) == first


def test_the_archive_has_all_that_python_needs() -> None:
    found = contents(initramfs.build({}, {}, "serial"))
    python = os.path.realpath(sys.executable)
    assert found[python.lstrip("/")] == Path(python).read_bytes()
    assert found["ksem/agent"].startswith(f"#!{python} -IS\n".encode())
    assert any(re.search(r"/libc\.(so|musl)", name) for name in found)
    assert any(re.search(r"/ld-", name) for name in found)
    library = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for name in ("os.pyc", "json/decoder.pyc", "encodings/utf_8.pyc", "ctypes/__init__.pyc", "socket.pyc",
                 "importlib/util.pyc"):
        assert any(path.endswith(f"{library}/{name}") for path in found), name
    assert any("/_ctypes." in path for path in found)
    for name in ("ksem/__init__.pyc", "ksem/guest/__init__.pyc", "ksem/guest/serial.pyc", "ksem/guest/loader.pyc",
                 "ksem/guest/wire.pyc"):
        assert f"ksem/lib/{name}" in found


def test_without_a_program_there_is_no_python() -> None:
    assert set(contents(initramfs.build({}, {}))) == {
        "init", "dev", "dev/console", "ksem", "ksem/modules", "ksem/modules/order.json"}


def test_the_interpreter_and_init_can_be_run_and_the_console_is_one() -> None:
    found = parsed(initramfs.build({}, {}, "serial"))
    python = os.path.realpath(sys.executable).lstrip("/")
    assert {int(found[name]["mode"]) for name in ("init", "ksem/agent", python)} == {stat.S_IFREG | 0o755}
    console = found["dev/console"]
    assert (console["mode"], console["rmaj"], console["rmin"]) == (stat.S_IFCHR | 0o600, 5, 1)


def test_every_library_that_the_interpreter_names_is_in_the_archive() -> None:
    python = os.path.realpath(sys.executable)
    found = contents(initramfs.build({}, {}, "serial"))
    libraries = initramfs._libraries([python])
    assert libraries
    assert {path.lstrip("/") for path in libraries} <= set(found)


def test_the_archive_does_not_tell_where_ksem_lies_or_what_else_is_imported(tmp_path: Path) -> None:
    """The same kernel in the same initramfs is the same machine, whoever boots it."""
    text = ("import hashlib, sys; {}; from ksem import initramfs; "
            "print(initramfs.__file__, hashlib.sha256(initramfs.build({{}}, {{}}, 'serial')).hexdigest())")
    shutil.copytree(project.ROOT / "ksem", tmp_path / "ksem", ignore=shutil.ignore_patterns("__pycache__"))
    said = [subprocess.run([sys.executable, "-B", "-c", text.format(also)], cwd=where, text=True, env={},
                           capture_output=True, check=True).stdout.split()
            for where in (project.ROOT, tmp_path) for also in ("pass", "import ksem.plugin, ksem.guest.agent")]
    assert len({place for place, _ in said}) == 2
    assert len({digest for _, digest in said}) == 1


def test_bytecode_carries_no_time_and_is_what_the_interpreter_runs(tmp_path: Path) -> None:
    source = tmp_path / "made.py"
    source.write_text("answer = 6 * 7\n")
    first = initramfs._bytecode(source)
    os.utime(source, (1, 1))
    assert initramfs._bytecode(source) == first
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "made_without_source.pyc").write_bytes(first)
    loader = __import__("importlib.machinery").machinery.SourcelessFileLoader(
        "made_without_source", str(tmp_path / "other" / "made_without_source.pyc"))
    names: dict[str, object] = {}
    exec(loader.get_code("made_without_source"), names)
    assert names["answer"] == 42


def test_modules_and_their_order_are_in_the_archive() -> None:
    found = contents(initramfs.build({"xfs": b"module"}, {"xfs": ["libcrc32c", "xfs"]}))
    assert found["ksem/modules/xfs.ko"] == b"module"
    assert json.loads(found["ksem/modules/order.json"]) == {"xfs": ["libcrc32c", "xfs"]}


def test_modules_come_after_what_they_depend_on_whatever_they_are_compressed_as(tmp_path: Path) -> None:
    made = {
        "xfs": module(tmp_path / "kernel/fs/xfs/xfs.ko.xz", "crc,list-sort"),
        "crc": module(tmp_path / "kernel/lib/crc.ko", "base"),
        "list_sort": module(tmp_path / "kernel/lib/list-sort.ko.xz", "base,crc"),
        "base": module(tmp_path / "kernel/lib/base.ko.xz"),
    }
    module(tmp_path / "kernel/fs/ext4.ko", "base")
    files, order = initramfs.module_files(tmp_path, ["xfs", "crc"], initramfs.decompressed)
    assert order == {"xfs": ["base", "crc", "list_sort", "xfs"], "crc": ["base", "crc"]}
    assert files == made


def test_soft_dependencies_come_along_by_name_and_by_alias(tmp_path: Path) -> None:
    """btrfs names its checksums so, by what the crypto API asks for; of two that offer one both are loaded, as by modprobe."""
    module(tmp_path / "kernel/fs/btrfs.ko.xz", "xor", "softdep=pre: crypto-crc32c list-sort",
           "softdep=pre: built-in post: late")
    module(tmp_path / "kernel/lib/xor.ko")
    module(tmp_path / "kernel/lib/list-sort.ko", "xor")
    module(tmp_path / "kernel/lib/late.ko")
    module(tmp_path / "kernel/crypto/crc32c_generic.ko", "", "alias=crypto-crc32c", "alias=crc32c")
    module(tmp_path / "kernel/arch/x86/crypto/crc32c-intel.ko.xz", "base", "alias=crypto-crc32c-intel", "alias=crypto-crc32c")
    module(tmp_path / "kernel/lib/base.ko")
    module(tmp_path / "kernel/drivers/other.ko", "", "alias=crypto-crc32c")
    _, order = initramfs.module_files(tmp_path, ["btrfs"], initramfs.decompressed)
    assert order == {"btrfs": ["xor", "base", "crc32c_intel", "crc32c_generic", "list_sort", "btrfs"]}


def test_modules_that_need_each_other_softly_make_no_circle(tmp_path: Path) -> None:
    module(tmp_path / "one.ko", "", "softdep=pre: two")
    module(tmp_path / "two.ko", "one")
    _, order = initramfs.module_files(tmp_path, ["one", "two"], initramfs.decompressed)
    assert order == {"one": ["two", "one"], "two": ["one", "two"]}


def test_what_is_built_in_or_not_made_is_left_out(tmp_path: Path) -> None:
    module(tmp_path / "kernel/overlay.ko", "built_in")
    files, order = initramfs.module_files(tmp_path, ["tmpfs", "overlay"], initramfs.decompressed)
    assert (list(files), order) == (["overlay"], {"overlay": ["overlay"]})
    assert initramfs.module_files(tmp_path / "nowhere", ["overlay"], initramfs.decompressed) == ({}, {})


def test_a_compression_that_is_not_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "xfs.ko.zst").write_bytes(b"")
    with pytest.raises(KsemError, match=r"xfs\.ko\.zst"):
        initramfs.module_files(tmp_path, ["xfs"], initramfs.decompressed)


def test_a_module_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "xfs.ko.xz").write_bytes(lzma.compress(b"depends=")[:-3])
    with pytest.raises(KsemError, match=r"xfs\.ko\.xz: is damaged"):
        initramfs.module_files(tmp_path, ["xfs"], initramfs.decompressed)


@pytest.mark.parametrize(("section", "values"), [
    (b"x\0depends=a,b\0", ["a,b"]), (b"x\0depends=\0", [""]), (b"", []), (b"x\0mydepends=a\0", []),
    (b"x\0depends=a b\0depends=c\0y\0depends=d\0", ["a b", "c", "d"]),
])
def test_an_entry_of_modinfo_may_be_there_more_than_once(section: bytes, values: list[str]) -> None:
    assert initramfs.modinfo(section, "depends") == values


def test_without_ldd_the_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KsemError, match="libc-bin"):
        initramfs._libraries([sys.executable])
