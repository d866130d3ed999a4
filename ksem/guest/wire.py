"""Messages between host and agent: JSON over any byte stream, a serial line included.

Contract: the standard library only. A message is one or more lines,

    CRC32 FLAG PIECE

eight hexadecimal digits, `.` for the last piece of a message and `+` for one that has more to come,
and a piece of the message: JSON, deflated, with the bytes that would end a line written as two others. (An emulated serial
line takes some 10 us a byte: base64 would cost a third more.)
A piece with `+` is answered by the line `ack`: a serial line has no flow control, so no more than one piece
may be under way. What does not check is noise: it is never taken for a message, and kept in `noise`.
"""

import json
import math
import os
import select
import time
import zlib
from typing import Any, Optional

# 5: a greeting tells no more of a proxy, as 4 did. 2: pieces are bytes. 1: the first, in base64.
PROTOCOL = 5
# Descriptors that an agent leaves alone when it closes what it was left with; the two before them are its line.
FIRST = 252
PIECE = 16384
LIMIT = 8 << 20
LEVEL = 2
# How deep a value may be nested: who walks through one needs a frame of Python's stack for each step, and has a thousand.
DEPTH = 40
_CONTAINERS = frozenset((dict, list))
# Seconds beyond a time limit that a line is heard that never falls silent.
FLOOD = 1.0


class WireError(Exception):
    """The other side cannot be understood or reached any more."""


class Closed(WireError):
    """The stream ended."""


class Timeout(WireError):
    """No whole message came in time."""


class Channel:
    """One end of a conversation over two descriptors (often the same one)."""

    def __init__(self, source: int, sink: int) -> None:
        self.source = source
        self.sink = sink
        self._buffer = b""
        self.noise = b""

    def send(self, message: Any, timeout: Optional[float] = None) -> None:
        """Send one JSON value; in pieces, each acknowledged, when it is long."""
        self.send_text(json.dumps(message, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                       .encode("utf-8", "surrogatepass"), timeout)

    def send_text(self, plain: bytes, timeout: Optional[float] = None) -> None:
        """Send one JSON value that is text already."""
        deadline = _deadline(timeout)
        text = _stuffed(zlib.compress(plain, LEVEL))
        pieces = [text[start:start + PIECE] for start in range(0, len(text), PIECE)]
        for number, piece in enumerate(pieces, 1):
            flag = b"." if number == len(pieces) else b"+"
            self._write(b"%08x %s %s\n" % (zlib.crc32(piece), flag, piece), deadline)
            while flag == b"+" and self._line(deadline) != b"ack":
                pass

    def receive(self, timeout: Optional[float] = None) -> Any:
        """The next JSON value. Raises Closed, Timeout, or WireError for one that is too long."""
        deadline = _deadline(timeout)
        # Not a list: pieces may be of a byte each.
        message = bytearray()
        while True:
            line = self._line(deadline)
            piece = self._checked(line)
            if piece is None:
                self.noise = (self.noise + line + b"\n")[-4096:]
                continue
            message += piece
            if len(message) > LIMIT:
                raise WireError("a message of more than %d bytes" % LIMIT)
            if line[9:10] == b".":
                return _decoded(bytes(message))
            self._write(b"ack\n", deadline)

    def _checked(self, line: bytes) -> Optional[bytes]:
        """The piece in a line, or None for noise."""
        checksum, flag, piece = line[:8], line[8:11], line[11:]
        sound = piece and flag in (b" + ", b" . ") and checksum == b"%08x" % zlib.crc32(piece)
        return piece if sound else None

    def _line(self, deadline: Optional[float]) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > LIMIT:
                self._buffer = b""
                raise WireError("a line of more than %d bytes" % LIMIT)
            _wait(self.source, False, deadline)
            received = os.read(self.source, 65536)
            if not received:
                raise Closed("the other side is gone")
            self._buffer += received
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def _write(self, data: bytes, deadline: Optional[float]) -> None:
        try:
            while data:
                _wait(self.sink, True, deadline)
                # PIPE_BUF: what a pipe that is ready takes without blocking.
                data = data[os.write(self.sink, data[:4096]):]
        except BrokenPipeError:
            raise Closed("the other side is gone") from None


def _deadline(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else time.monotonic() + timeout


def _wait(descriptor: int, write: bool, deadline: Optional[float]) -> None:
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left < -FLOOD:
        raise Timeout("no end of what is no answer")
    left = None if left is None else max(0.0, left)
    reading = [] if write else [descriptor]
    if not any(select.select(reading, [descriptor] if write else [], [], left)):
        raise Timeout("no answer in time")


def _stuffed(data: bytes) -> bytes:
    """Bytes without those that end a line; `=` is what stands before a substitute."""
    return data.replace(b"=", b"=:").replace(b"\n", b"=n").replace(b"\r", b"=r")


def _unstuffed(text: bytes) -> bytes:
    return text.replace(b"=r", b"\r").replace(b"=n", b"\n").replace(b"=:", b"=")


def _decoded(text: bytes) -> Any:
    try:
        message = loads(_inflated(text).decode("utf-8", "surrogatepass"))
        check_depth(message)
        return message
    except (ValueError, zlib.error) as error:
        raise WireError("a message that cannot be read: %s" % error) from None


def loads(text: str) -> Any:
    """A value of JSON that others can read too. Raises ValueError, also for NaN and what else Python takes and JSON has not."""
    try:
        return _DECODE(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refused(word: str) -> Any:
    raise ValueError("%s is no JSON" % word)


def _finite(text: str) -> Any:
    number = float(text)
    return number if math.isfinite(number) else _refused(text[:20])


_DECODE = json.JSONDecoder(parse_constant=_refused, parse_float=_finite).decode


def check_depth(value: Any, depth: int = DEPTH) -> None:
    """Raise ValueError for a value that is nested too deep."""
    if depth == 0:
        raise ValueError("it is nested too deep")
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            if inner.__class__ in _CONTAINERS:
                check_depth(inner, depth - 1)


def _inflated(text: bytes) -> bytes:
    inflate = zlib.decompressobj()
    plain = inflate.decompress(_unstuffed(text), LIMIT)
    if inflate.unconsumed_tail:
        raise WireError("a message of more than %d bytes" % LIMIT)
    if not inflate.eof:
        raise WireError("a message that is cut short")
    return plain
