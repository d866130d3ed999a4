"""A far side that sends what it likes: a message is understood or an error of the wire, in time, and within bounds.

Guards: whoever escapes into the kernel under test speaks to the host by these lines and this memory alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import zlib
from typing import Any

import pytest
from fuzzing import changed, check_brief, damaged, fuzzed, spelled
from hypothesis import strategies as st

from ksem.guest import wire
from ksem.guest.wire import Channel, WireError

MESSAGE = {"status": "observed", "observation": {"is": ["so", 1, None]}, "pids": {"77": "child"},
           "trace": [["main", "mnt:0", "mkdir", ["a", 493], 0, None]]}
# Larger than the limit when it is inflated, and nested deeper than any stack.
LIMIT = 1 << 15
BOMBS = st.sampled_from([b"[" * 20_000, b" " * (LIMIT + 1) + b"1", b'"' + b"x" * LIMIT + b'"', b"[1e999]", b"[NaN]",
                         b"9" * 20_000, b"\xed\xa0\x80", b'"\\ud800"', b"", b"{}", b"[" + b"[]," * 9_000 + b"[]]"])
PLAIN = changed(MESSAGE).map(spelled).map(lambda text: text.encode("utf-8", "surrogatepass")) | BOMBS


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line whose checksum is right, whatever it holds."""
    plain = draw(PLAIN)
    piece = wire._stuffed(draw(st.sampled_from([zlib.compress(plain, 9), zlib.compress(plain)[:-3], plain[:1000]])))
    cuts = sorted(draw(st.lists(st.integers(0, len(piece)), max_size=2)))
    pieces = [piece[start:end] for start, end in zip([0, *cuts], [*cuts, len(piece)], strict=True)]
    flags = draw(st.sampled_from([b"+", b"+", b".", b":"]))
    return b"".join(b"%08x %s %s\n" % (zlib.crc32(one), flags if number < len(pieces) - 1 else b".", one)
                    for number, one in enumerate(pieces))


NOISE = st.binary(max_size=80) | st.sampled_from([b"\n" * 5_000, b"ack\n" * 3, b"00000000 . \n", b"x" * 40_000, b"\r\n"])
STREAMS = st.lists(lines() | NOISE | lines().flatmap(damaged), max_size=5).map(b"".join)


@contextlib.contextmanager
def _channel(stream: bytes) -> Any:
    """A channel whose far side has said all that it will."""
    source, sink = os.memfd_create("source"), os.open(os.devnull, os.O_WRONLY)
    try:
        os.write(source, stream)
        os.lseek(source, 0, os.SEEK_SET)
        # Less than it is: so many examples more.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "LIMIT", LIMIT)
            yield Channel(source, sink)
    finally:
        os.close(source)
        os.close(sink)


def _hear(channel: Channel) -> None:
    """All messages that there are."""
    while True:
        try:
            message = channel.receive(0)
        except wire.Closed:
            return
        except WireError as error:
            check_brief(error, 300)
            continue
        # What was understood can be passed on, as JSON has it.
        json.dumps(message, allow_nan=False)


@fuzzed(stream=STREAMS)
def test_whatever_is_on_the_line_is_a_message_or_an_error(stream: bytes) -> None:
    with _channel(stream) as channel:
        _hear(channel)
        assert len(channel.noise) <= 4096


@fuzzed(answer=STREAMS)
def test_what_is_sent_is_acknowledged_or_given_up(answer: bytes) -> None:
    with _channel(answer) as channel, contextlib.suppress(WireError):
        channel.send({"text": [zlib.crc32(b"%d" % number) for number in range(8000)]}, 0)


@pytest.mark.parametrize("flood", [b"\n" * 4096, b"noise\n" * 500, b"x" * 4096])
def test_a_line_that_never_falls_silent_is_given_up(flood: bytes) -> None:
    source, sink = os.pipe()
    over = threading.Event()

    def shout() -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                os.write(sink, flood)

    shouting = threading.Thread(target=shout)
    shouting.start()
    try:
        began = time.monotonic()
        with pytest.raises(WireError):
            Channel(source, sink).receive(0.2)
        assert time.monotonic() - began < 10
    finally:
        over.set()
        os.close(source)
        shouting.join()
        os.close(sink)
