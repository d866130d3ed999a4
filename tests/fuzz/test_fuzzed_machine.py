"""What else a machine can touch: its console, QEMU's monitor, the memory that its director shares with it, saved machines.

Guards: a guest writes to the first three whatever and as often as it likes; a cache may be damaged.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from fuzzing import TEXTS, changed, check_brief, damaged, fuzzed, is_plain, spelled, texts_of
from hypothesis import strategies as st
from made import behaviour, case, cell, evidence

from ksem import losses, matrix, qmp, snapshots
from ksem.guest import environment, readers
from ksem.guest.executor import SIZE, Dead, Task
from ksem.guest.outside import Outside
from ksem.guest.proxy import MAILBOX
from ksem.guest.structures import Output
from ksem.guest.syscalls import SIGNATURES
from ksem.machine import tail
from ksem.model import Lost
from ksem.qmp import Monitor, MonitorError
from ksem.renderers import kcidb, ktap, terminal

CONSOLES = st.lists(TEXTS | st.sampled_from([
    "Kernel panic - not syncing: ", "[    3.1]  dump_stack+0x6b/0x83", "RIP: 0010:f+0x1/0x2", "a." * 20_000,
    "a" * 50_000 + "+0x1/0x",
    "[" * 20_000, " " * 50_000, "\x1b[" * 20_000, "\x1b[" + "0" * 50_000 + " " * 50_000, "BUG: " * 20_000, "Oops: \ud800",
    "0x" + "f" * 50_000]), max_size=20).map("\n".join)


@fuzzed(console=CONSOLES, reason=TEXTS, fate=TEXTS)
def test_a_loss_is_told_in_words(console: str, reason: str, fate: str) -> None:
    loss = Lost(reason, console)
    loss.fate = fate
    told = losses.described(loss)
    assert is_plain(told)
    found = matrix.build([behaviour(case())], [evidence("one", "6.12", cell(status="lost", reason=f"{told}{console}"))])
    for render in (kcidb.render, ktap.render, terminal.render):
        render(found).encode()


@fuzzed(data=st.binary(max_size=100) | st.integers(0, 300_000).map(lambda size: b"\xff" * size), size=st.integers(1, 5000),
        few=20)
def test_the_end_of_a_log_is_as_long_as_it_may_be(data: bytes, size: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        assert tail(Path(file.name), size) == data[-size:].decode("utf-8", "replace")


SAID = [{"QMP": {"version": {}}}, {"return": {}}, {"event": "MIGRATION", "data": {"status": "completed"}},
        {"return": {"status": "running"}}, {"error": {"class": "GenericError", "desc": "no"}}]


def _lines(found: Any) -> bytes:
    """Each of some values on a line."""
    text = "".join(f"{spelled(one)}\n" for one in (found if isinstance(found, list) else [found]))
    return text.encode("utf-8", "surrogatepass")


@fuzzed(said=texts_of(SAID).map(lambda text: text.replace(b"}, {", b"}\n{")[1:-1] + b"\n") | changed(SAID).map(_lines))
def test_a_monitor_answers_or_is_given_up(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            theirs.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                theirs.sendall(said)
        monitor = Monitor(ours)
        asks = (monitor.greet, monitor.status, lambda: monitor.event("MIGRATION").get("status"), lambda: monitor.ask("cont"))
        for ask in asks:
            try:
                ask()
            except MonitorError as error:
                check_brief(error, 500)


def test_a_monitor_that_only_tells_events_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "PATIENCE", 0.2)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        monitor = Monitor(ours)
        monitor._buffer = b'{"event": "RTC_CHANGE"}\n' * 500_000
        with pytest.raises(MonitorError, match="nothing"):
            monitor.status()
        assert len(monitor._events) <= qmp.EVENTS


# Not sampled from: hypothesis remembers strategies, with what they are of.
MACHINES = ([b""], [bytes(1 << 13) + b"state" * 1000, b"devices"], [b"page" * 1024, bytes(1 << 13)])


@st.composite
def _snapshots(draw: st.DrawFn) -> bytes:
    with tempfile.TemporaryDirectory() as text, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", text)
        snapshots.keep("one", MACHINES[draw(st.integers(0, len(MACHINES) - 1))])
        data = (Path(text) / "ksem" / "snapshots" / "one.machine").read_bytes()
    how = draw(st.sampled_from(["whole", "bytes", "cut", "table"]))
    if how == "cut":
        return data[:draw(st.integers(0, len(data)))]
    if how == "whole":
        return data
    # What is behind the areas says where they are.
    place = draw(st.integers(0 if how == "bytes" else max(0, len(data) - 100), len(data) - 1))
    return data[:place] + draw(st.binary(min_size=1, max_size=16)) + data[place + 1:]


@fuzzed(data=_snapshots())
def test_a_saved_machine_is_whole_or_damaged(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as text, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", text)
        place = Path(text) / "ksem" / "snapshots"
        place.mkdir(parents=True)
        (place / "one.machine").write_bytes(data)
        with contextlib.suppress(snapshots.Damaged), snapshots.opened("one") as found:
            assert found is not None
            found.check()
            assert [found.area(number) for number in range(len(found.areas))] in MACHINES


# Of a file of two pages.
_PLACE = st.integers(0, 8192) | st.integers(0, 2).map(lambda pages: pages * 4096) | st.integers(0, (1 << 64) - 1)
PLACES = st.tuples(_PLACE, _PLACE)


@fuzzed(areas=st.lists(PLACES, max_size=4), stretches=st.lists(PLACES, max_size=4))
def test_a_saved_machine_with_a_table_that_checks_is_read_or_damaged(areas: list[tuple[int, int]],
                                                                     stretches: list[tuple[int, int]]) -> None:
    table = b"".join(struct.pack("<QQ", *place) for place in (*areas, *stretches))
    end = (b"machine1", b"boot", 0, len(areas), len(stretches), 0)
    checksum = zlib.crc32(struct.pack("<8s36sQIIII", *end, 0), zlib.crc32(table))
    with tempfile.TemporaryDirectory() as text, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", text)
        place = Path(text) / "ksem" / "snapshots"
        place.mkdir(parents=True)
        (place / "one.machine").write_bytes(bytes(8192) + table + struct.pack("<8s36sQIIII", *end, checksum))
        with contextlib.suppress(snapshots.Damaged), snapshots.opened("one") as found:
            assert found is not None
            found.check()
            assert all(len(found.area(number)) == size for number, (_, size) in enumerate(found.areas))


class Rung:
    """Memory that a director shares with a machine which rings, says that all is done, and writes what it likes."""

    def __init__(self, written: bytes, state: int) -> None:
        self._written = written * (SIZE // max(1, len(written)) + 1) if written else bytes(SIZE)
        self._state = state
        self.memory = bytearray(self._written[:SIZE])

    def __enter__(self) -> Outside:
        self._bell, ringing = os.pipe()
        os.write(ringing, b"!" * 60_000)
        os.close(ringing)
        self.memory[MAILBOX:MAILBOX + 4] = self._state.to_bytes(4, "little")
        outside = Outside(self.memory, self._bell, -1, -1)
        outside._do = lambda state: self._do(outside)  # type: ignore[method-assign]
        return outside

    def _do(self, outside: Outside) -> None:
        """What the machine did is overwritten with what it likes."""
        self.memory[:] = self._written[:SIZE]
        self.memory[MAILBOX:MAILBOX + 4] = self._state.to_bytes(4, "little")
        outside._heard(0.5)

    def __exit__(self, *problem: Any) -> None:
        os.close(self._bell)


def _record(length: int) -> bytes:
    """An entry of a directory (struct linux_dirent64) that says that it is so long."""
    return bytes(16) + length.to_bytes(2, "little") + b"\x08name\0"


FILLED = {name: kind for name, signature in sorted(SIGNATURES.items()) for _, kind in signature.arguments if kind.output}


@fuzzed({"name": "read", "data": _record(0), "returned": 24}, name=st.sampled_from(sorted(FILLED)),
        data=st.binary(max_size=300) | st.integers(0, 0xFFFF).map(_record) | st.sampled_from([b"\xff" * 300, bytes(300)]),
        returned=st.sampled_from([0, 1, 24, 4096, 1 << 31, 1 << 62, -1]) | st.integers(0, 300))
def test_what_a_kernel_fills_in_is_read_within_its_buffer(name: str, data: bytes, returned: int) -> None:
    filled = FILLED[name]
    assert isinstance(filled, Output)
    # What is none makes the case broken.
    with contextlib.suppress(ArithmeticError, LookupError, TypeError, ValueError, struct.error):
        found = filled.decode(data[:filled.size].ljust(filled.size, b"\0"), returned)
        assert len(repr(found)) < 50 * filled.size
    with contextlib.suppress(ValueError, IndexError, struct.error):
        assert len(readers._names(data)) <= len(data)


WRITTEN = st.binary(max_size=64) | st.sampled_from([
    b"\x7f" * 8, b"\xff" * 8, (1 << 62).to_bytes(8, "little"), b"1 " * 4, b"9" * 8, (28000).to_bytes(8, "little"),
    b"77\n\0\0\0\0\0"])


@fuzzed(written=WRITTEN, state=st.sampled_from([0, 1, 2, 3, 0xFFFFFFFF]), few=30)
def test_a_director_reads_nothing_but_what_it_shares(written: bytes, state: int) -> None:
    with Rung(written, state) as outside:
        for act in (lambda: outside.read("/proc/1/stat"), lambda: outside.executable("/bin/true"), outside._children,
                    lambda: outside.write("/file", b"content"),
                    lambda: outside.fork(), lambda: outside.reap(1) if not outside._children() else None, outside.recover):
            # Whatever it raises ends the case, or this process, which is the director's alone; but it ends.
            with contextlib.suppress(Dead, Exception):
                act()
        assert len(outside.memory) == SIZE


class Telling:
    """A machine that gives out one thing for all its files."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def content(self, path: str) -> bytes:
        return self._content

    def read(self, path: str) -> str | None:
        return None if path.startswith(("/boot", "/lib")) else self._content.decode("utf-8", "surrogateescape")


PACKED = st.binary(max_size=200).map(lambda data: zlib.compress(data, 9, 31)) | st.binary(max_size=20) | st.just(
    zlib.compress(b"CONFIG_A=y\n", 9, 31) * 3)


@fuzzed(data=PACKED | PACKED.flatmap(damaged), few=30)
def test_a_configuration_is_read_or_refused(data: bytes) -> None:
    arena: Any = Telling(data)
    with contextlib.suppress(zlib.error):
        found = environment.configuration(environment._configuration(arena, "6.12"), ["CONFIG_A"])
        assert len(repr(found)) < 2 * environment.LARGEST
    assert len(str(environment._system(arena))) < 1000


def test_a_configuration_is_not_unpacked_without_end() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    arena: Any = Telling(b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(64)), packer.flush()]))
    assert len(environment._configuration(arena, "6.12") or "") == environment.LARGEST


READING: dict[str, tuple[Any, ...]] = {
    "mountinfo": ("/",), "mounts_below": ("/",), "mount_points": ("tmpfs",), "read_file": ("/a",), "list_directory": ("/",),
    "mount_options_at": ("/",), "run_program": ("/a",)}


@fuzzed(written=WRITTEN | st.integers(0, 0xFFFF).map(_record), name=st.sampled_from(sorted(READING)), few=30)
def test_a_reader_of_a_machine_that_lies_ends(written: bytes, name: str) -> None:
    # Dead is no Exception, so that no case takes it for its own.
    with Rung(written, 2) as outside, contextlib.suppress(Dead, ArithmeticError, AttributeError, LookupError, TypeError,
                                                          ValueError, OSError, struct.error):
        task = Task(outside, MAILBOX, outside.shared)
        found, _ = task.make(readers.READERS[name], *READING[name])
        assert len(repr(found)) < 10 * SIZE
