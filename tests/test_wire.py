"""Messages cross a serial line on which a kernel may print, bytes may be lost and the other side may die at any moment.

Guards: what comes out is what was sent, or an error; noise is never taken for a message, and a message that lost a part is
never taken for another one. No test waits: streams are files that were written before, and time limits are zero.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksem.guest import wire

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
                    max_leaves=10)
# Text that no compression makes short: more than two pieces.
LONG = {"text": "".join(f"{zlib.crc32(b'%d' % number):08x}" for number in range(8000))}
NOISE = st.binary(max_size=60) | st.sampled_from([
    b"ack", b"\r", b"00000000 . ", b"00000000 + ", b"[    1.234567] BUG: kernel NULL pointer dereference",
    b"deadbeef . eJwDAAAAAAE="])


@contextmanager
def channel(incoming: bytes = b"") -> Iterator[tuple[wire.Channel, int]]:
    """A channel whose other side has sent all that it will, and the file that takes what is sent to it."""
    source, sink = os.memfd_create("source"), os.memfd_create("sink")
    try:
        with open(source, "wb", closefd=False) as file:
            file.write(incoming)
        os.lseek(source, 0, os.SEEK_SET)
        yield wire.Channel(source, sink), sink
    finally:
        os.close(source)
        os.close(sink)


def sent(message: Any) -> bytes:
    """A message as it is on the line, every piece of it acknowledged."""
    with channel(b"ack\n" * 100) as (one, sink):
        one.send(message, 0)
        return os.pread(sink, 1 << 24, 0)


def received(stream: bytes) -> list[Any]:
    """Every message in a stream; what cannot be read ends it."""
    messages = []
    with channel(stream) as (one, _):
        while True:
            try:
                messages.append(one.receive(0))
            except wire.Closed:
                return messages


@given(JSON)
def test_what_is_sent_is_received(message: Any) -> None:
    assert received(sent(message)) == [message]


@given(st.binary() | st.lists(st.sampled_from([b"=", b":", b"n", b"r", b"\n", b"\r"])).map(b"".join))
def test_no_byte_of_a_piece_ends_its_line(data: bytes) -> None:
    stuffed = wire._stuffed(data)
    assert not set(stuffed) & set(b"\r\n")
    assert wire._unstuffed(stuffed) == data


@given(st.lists(st.tuples(NOISE, JSON), max_size=4), NOISE)
def test_noise_between_messages_is_no_message(pairs: list[tuple[bytes, Any]], last: bytes) -> None:
    stream = b"".join(noise + b"\n" + sent(message) for noise, message in pairs) + last + b"\n"
    assert received(stream) == [message for _, message in pairs]


@given(st.lists(NOISE, max_size=5))
def test_noise_alone_is_remembered_and_ends_with_the_stream(noise: list[bytes]) -> None:
    with channel(b"".join(one + b"\n" for one in noise)) as (one, _):
        with pytest.raises(wire.Closed):
            one.receive(0)
        assert all(line.rstrip(b"\r") in one.noise for text in noise for line in text.split(b"\n"))


def test_noise_is_remembered_within_bounds() -> None:
    with channel(b"x" * 100_000 + b"\n" + b"the end\n") as (one, _):
        with pytest.raises(wire.Closed):
            one.receive(0)
        assert len(one.noise) <= 4096
        assert one.noise.endswith(b"the end\n")


@given(JSON, st.data())
def test_a_message_cut_short_is_no_message(message: Any, data: st.DataObject) -> None:
    stream = sent(message)
    assert received(stream[:data.draw(st.integers(0, len(stream) - 1))]) == []


@given(JSON, JSON, st.data())
def test_a_message_cut_short_is_not_taken_for_the_next(message: Any, following: Any, data: st.DataObject) -> None:
    stream = sent(message)
    cut = stream[:data.draw(st.integers(0, len(stream) - 2))]
    assert received(cut + b"\n" + sent(following)) == [following]


@given(JSON, st.data())
def test_a_byte_changed_or_lost_or_put_in_never_makes_another_message(message: Any, data: st.DataObject) -> None:
    stream = sent(message)
    place = data.draw(st.integers(0, len(stream) - 1))
    byte = data.draw(st.binary(max_size=1))
    kept = data.draw(st.integers(0, 1))
    found = received(stream[:place] + byte + stream[place + kept:])
    assert found in ([], [message])


def test_a_long_message_comes_in_pieces_that_are_acknowledged() -> None:
    stream = sent(LONG)
    pieces = stream.count(b"\n")
    assert pieces > 2
    assert max(map(len, stream.split(b"\n"))) <= wire.PIECE + 11
    with channel(stream) as (one, sink):
        assert one.receive(0) == LONG
        assert os.pread(sink, 1000, 0) == b"ack\n" * (pieces - 1)


def test_noise_between_the_pieces_of_a_message_is_left_out() -> None:
    lines = sent(LONG).split(b"\n")
    assert received(b"\n[    2.0] printed by the kernel\n".join(lines)) == [LONG]


def test_no_piece_is_sent_before_the_last_was_acknowledged() -> None:
    with channel(b"noise\nack \nack\n") as (one, sink):
        with pytest.raises(wire.Closed):
            one.send(LONG, 0)
        assert os.pread(sink, 1 << 20, 0) == b"".join(sent(LONG).splitlines(True)[:2])


@pytest.mark.parametrize("lost", [0, 1])
def test_a_message_that_lost_a_piece_is_no_message(lost: int) -> None:
    lines = sent(LONG).splitlines(True)
    with channel(b"".join(lines[:lost] + lines[lost + 1:])) as (one, _), pytest.raises(wire.WireError):
        one.receive(0)


def test_a_message_never_finished_is_not_completed_by_the_next() -> None:
    with channel(sent(LONG).splitlines(True)[0] + sent({"answer": 1})) as (one, _), pytest.raises(wire.WireError):
        one.receive(0)


@pytest.mark.parametrize("text", [
    zlib.compress(b'{"a": 12345}')[:-4], zlib.compress(b"12345")[:-5], zlib.compress(b"no json"), zlib.compress(b"\xff"),
    b"plain",
    zlib.compress(b"[" * 200_000),
])
def test_a_sound_line_without_a_sound_message_is_an_error(text: bytes) -> None:
    piece = wire._stuffed(text)
    with channel(b"%08x . %s\n" % (zlib.crc32(piece), piece)) as (one, _), pytest.raises(wire.WireError, match="message"):
        one.receive(0)


@pytest.mark.parametrize("text", [b"x" * 1200, zlib.compress(b'"%s"' % (b"x" * 5000))], ids=["on the line", "inflated"])
def test_a_message_too_long_is_refused(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LIMIT", 1000)
    piece = wire._stuffed(text)
    line = b"%08x . %s\n" % (zlib.crc32(piece), piece)
    with channel(line) as (one, _), pytest.raises(wire.WireError, match="more than 1000"):
        one.receive(0)


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LIMIT", 1000)
    with channel(b"x" * 2000) as (one, _), pytest.raises(wire.WireError, match="line of more than"):
        one.receive(0)


def test_silence_is_a_timeout_and_a_closed_end_is_closed() -> None:
    source, sink = os.pipe()
    try:
        with pytest.raises(wire.Timeout):
            wire.Channel(source, sink).receive(0)
        os.close(source)
        with pytest.raises(wire.Closed):
            wire.Channel(source, sink).send({}, 0)
    finally:
        os.close(sink)


def test_a_message_survives_a_timeout_in_its_middle() -> None:
    stream = sent({"answer": 42})
    source, sink = os.pipe()
    try:
        one = wire.Channel(source, os.open(os.devnull, os.O_WRONLY))
        os.write(sink, stream[:10])
        with pytest.raises(wire.Timeout):
            one.receive(0)
        os.write(sink, stream[10:])
        assert one.receive(0) == {"answer": 42}
        os.close(one.sink)
    finally:
        os.close(source)
        os.close(sink)


def test_a_line_may_end_as_a_terminal_ends_it() -> None:
    assert received(sent([1]).replace(b"\n", b"\r\n")) == [[1]]
