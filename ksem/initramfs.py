"""An initramfs: ksem's first process; if it needs them, the Python that runs ksem, what loads the agent, and kernel modules.

Contract: the standard library, `init`, `model` and `ksem.guest`'s files. An archive is the `newc` cpio that the kernel unpacks
(Documentation/driver-api/early-userspace/buffer-format.rst), not compressed: unpacking costs more boot time than reading.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import lzma
import marshal
import os
import re
import stat
import subprocess
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ksem import init
from ksem.model import KsemError

# What no case can want in a bare kernel; leaving it out keeps the archive small and boots short.
LEFT_OUT = frozenset((
    "__pycache__ antigravity asyncio bdb cProfile calendar cgi cgitb chunk concurrent curses dbm decimal difflib dist-packages "
    "distutils doctest email ensurepip fileinput fractions ftplib getpass gettext html http idlelib imaplib imghdr lib-dynload "
    "lib2to3 mailbox mailcap msilib multiprocessing netrc nntplib nturl2path optparse pdb pip pipes plistlib poplib profile "
    "pstats pyclbr pydoc pydoc_data _pydecimal _pyio site-packages smtplib sndhdr socketserver sqlite3 ssl statistics sunau "
    "symtable tarfile telnetlib test tests this timeit tkinter tomllib trace turtle turtledemo unittest uu venv wave "
    "webbrowser wsgiref xml xmlrpc zipapp zipfile zoneinfo"
).split())
EXTENSIONS = frozenset((
    "_bisect _blake2 _contextvars _ctypes _heapq _json _md5 _opcode _pickle _posixsubprocess _random _sha1 _sha2 _sha256 _sha3 "
    "_sha512 _socket _struct _typing array binascii fcntl grp math mmap resource select termios unicodedata zlib"
).split())
ENCODINGS = frozenset(["__init__", "aliases", "ascii", "latin_1", "utf_8", "idna"])
SCRIPT = """#!{python} -IS
import sys
sys.path.insert(0, "/ksem/lib")
from ksem.guest import {program}
{program}.main()
"""
# What each program is made of, beside the packages.
PROGRAMS = {"serial": ("serial", "loader", "wire"), "handover": ("handover", "modules")}


def cpio(entries: Mapping[str, tuple[int, bytes]]) -> bytes:
    """An archive of {path: (mode, content)}; parents are made, names sorted, times zero."""
    whole = dict(entries)
    for path in entries:
        for parent in list(Path(path).parents)[:-1]:
            whole.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))
    records = [_record(number, path, *whole[path]) for number, path in enumerate(sorted(whole), 1)]
    records.append(_record(0, "TRAILER!!!", 0, b""))
    return b"".join(records)


def _record(inode: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    # 5,1 are the numbers of /dev/console, the one device that has to be there before devtmpfs.
    device = (5, 1) if stat.S_ISCHR(mode) else (0, 0)
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
    header = b"070701" + b"".join(b"%08x" % number for number in numbers) + name
    return _padded(header) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def build(modules: Mapping[str, bytes], order: Mapping[str, list[str]], program: str | None = None) -> bytes:
    """The archive for one kernel. modules: name -> .ko content; order: module -> what to load, in order.

    program: the module of ksem.guest that Python is to run, `serial` (by `init`) or `handover` (before a machine's own init);
    None: there is no Python.
    """
    entries: dict[str, tuple[int, bytes]] = dict(_base(program))
    for name, content in modules.items():
        entries[f"ksem/modules/{name}.ko"] = (stat.S_IFREG | 0o644, content)
    text = json.dumps(order, sort_keys=True).encode()
    entries["ksem/modules/order.json"] = (stat.S_IFREG | 0o644, text)
    return cpio(entries)


@functools.cache
def _base(program: str | None) -> Mapping[str, tuple[int, bytes]]:
    """What every kernel gets: its first process, and what that runs."""
    entries = _python(program) if program else {}
    entries["dev/console"] = (stat.S_IFCHR | 0o600, b"")
    if program != "handover":
        # The kernel's own initramfs has root, and modules have their directory.
        directories = {"root", "ksem", *(path.partition("/")[0] for path in entries)}
        entries["init"] = (stat.S_IFREG | 0o755, init.executable(directories))
    return entries


def _python(program: str) -> dict[str, tuple[int, bytes]]:
    """The interpreter with its library, and what it runs."""
    python = os.path.realpath(sys.executable)
    script = "init" if program == "handover" else init.AGENT.lstrip("/")
    entries: dict[str, tuple[int, bytes]] = {
        script: (stat.S_IFREG | 0o755, SCRIPT.format(python=python, program=program).encode()),
    }
    extensions = list(_extension_files())
    for path in [python, *_libraries([python, *extensions]), *extensions]:
        entries[path.lstrip("/")] = (stat.S_IFREG | 0o755, Path(path).read_bytes())
    for name, content in _standard_library():
        entries[name.lstrip("/")] = (stat.S_IFREG | 0o644, content)
    package = Path(__file__).parent
    for name in ("__init__.py", "guest/__init__.py", *(f"guest/{module}.py" for module in PROGRAMS[program])):
        entries[f"ksem/lib/ksem/{name}c"] = (stat.S_IFREG | 0o644, _own_bytecode(package / name, f"/ksem/lib/ksem/{name}"))
    return entries


def _libraries(binaries: Iterable[str]) -> list[str]:
    """The shared libraries of some binaries, with the dynamic linker, at the paths where it looks for them."""
    try:
        listing = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        raise KsemError("ldd is missing: install the package libc-bin") from None
    found = sorted(set(re.findall(r"(?:=> |^\t)(/\S+) \(0x", listing, re.MULTILINE)))
    cache = ["/etc/ld.so.cache"] if os.path.exists("/etc/ld.so.cache") else []
    return found + cache


def _extension_files() -> Iterator[str]:
    # Not `platstdlib`: in a virtual environment that is a directory of the environment.
    directory = Path(sysconfig.get_path("stdlib")) / "lib-dynload"
    for path in sorted(directory.glob("*.so")):
        if path.name.split(".")[0] in EXTENSIONS:
            yield str(path)


def _standard_library() -> Iterator[tuple[str, bytes]]:
    """(path, bytecode) of the modules, without their sources: nothing has to be compiled in the guest."""
    root = Path(sysconfig.get_path("stdlib"))
    for source in sorted(root.rglob("*.py")):
        parts = source.relative_to(root).with_suffix("").parts
        left_out = any(part in LEFT_OUT or part.startswith(("config-3", "_sysconfigdata")) for part in parts)
        rare = parts[0] == "encodings" and parts[-1] not in ENCODINGS
        if not left_out and not rare:
            yield str(source) + "c", _bytecode(source)


def _bytecode(source: Path) -> bytes:
    """A module's .pyc: the one that is there when it belongs to the source, else a new one.

    The header carries no time: a sourceless import does not compare it, and archives stay equal.
    """
    header = importlib.util.MAGIC_NUMBER + bytes(12)
    cached = Path(importlib.util.cache_from_source(str(source)))
    try:
        compiled = cached.read_bytes()
        status = source.stat()
        stamp = int(status.st_mtime).to_bytes(4, "little") + (status.st_size & 0xFFFFFFFF).to_bytes(4, "little")
        if compiled[:16] == importlib.util.MAGIC_NUMBER + bytes(4) + stamp:
            return header + compiled[16:]
    except OSError:
        pass
    code = compile(source.read_bytes(), str(source), "exec", dont_inherit=True)
    return header + _marshalled(code)


def _own_bytecode(source: Path, place: str) -> bytes:
    """The same for what is ours: the archive does not tell where ksem lies."""
    code = compile(source.read_bytes(), place, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes(12) + _marshalled(code)


def _marshalled(code: types.CodeType) -> bytes:
    # Version 2 has no references: which there are follows from what else the interpreter has at the moment.
    return marshal.dumps(code, 2)


def module_files(directory: Path, wanted: Iterable[str],
                 read: Callable[[Path], bytes]) -> tuple[dict[str, bytes], dict[str, list[str]]]:
    """The modules of a kernel that are wanted and there, with all that they depend on, decompressed.

    directory: the one that holds `kernel/`. read: `decompressed`, or the same by way of somebody who wants to know. Returns
    ({name: content}, {wanted: names in loading order}); what is built into the kernel, or not made for it, is in neither.
    """
    paths = {_plain(path.name.split(".")[0]): path for path in sorted(directory.rglob("*.ko*"))}
    contents: dict[str, bytes] = {}
    orders: dict[str, list[str]] = {}

    def content(name: str) -> bytes:
        return contents.get(name) or contents.setdefault(name, read(paths[name]))

    @functools.cache
    def aliases() -> dict[str, list[str]]:
        """What the crypto API finds modules by: no others need soft dependencies by alias, and to read all takes seconds."""
        found: dict[str, list[str]] = {}
        for name, path in paths.items():
            for alias in modinfo(read(path), "alias") if path.parent.name == "crypto" else ():
                found.setdefault(alias, []).append(name)
        return found

    def visit(name: str, order: list[str], entered: set[str]) -> None:
        if name in entered:
            return
        entered.add(name)
        needed = [_plain(word) for words in modinfo(content(name), "depends") for word in words.split(",")]
        for soft in _soft_dependencies(content(name)):
            needed += [_plain(soft)] if _plain(soft) in paths else aliases().get(soft, [])
        for other in needed:
            if other in paths:
                visit(other, order, entered)
        order.append(name)

    for name in wanted:
        if name in paths:
            visit(name, orders.setdefault(name, []), set())
    return contents, orders


def _plain(name: str) -> str:
    """A module's name as the kernel has it, whatever its file is called."""
    return name.replace("-", "_")


def _soft_dependencies(module: bytes) -> Iterator[str]:
    """What is to be loaded before a module if it is there, by name or alias: modprobe.d(5), softdep."""
    for words in modinfo(module, "softdep"):
        before = False
        for word in words.split():
            if word.endswith(":"):
                before = word == "pre:"
            elif before:
                yield word


def modinfo(module: bytes, key: str) -> list[str]:
    """The values of a key in a module's .modinfo section, which may have it more than once."""
    found = re.findall(rb"(?<=\0)" + key.encode() + rb"=([^\0]*)(?=\0)", module)
    return [value.decode() for value in found]


def decompressed(path: Path) -> bytes:
    """A module's content. Raises KsemError for one that is damaged, or compressed as is not read here."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        try:
            return lzma.decompress(data)
        except lzma.LZMAError as error:
            raise KsemError(f"{path}: is damaged ({error}): install the kernel's modules anew") from None
    if path.suffix == ".ko":
        return data
    raise KsemError(f"{path}: modules compressed as {path.suffix} are not read: decompress them, or use .ko or .ko.xz")
