"""A conversation with QEMU's monitor: commands, their answers, events (QEMU Machine Protocol, docs/interop/qmp-spec.txt).

Contract: the standard library. Over a socket that is connected already; descriptors travel along with a command. Nothing is
waited for longer than PATIENCE.
"""

from __future__ import annotations

import collections
import json
import socket
import time
from collections.abc import Iterable, Mapping
from typing import Any

# Seconds that an answer may take: a saved machine of some hundred megabytes, on a computer that is busy.
PATIENCE = 20.0
LIMIT = 1 << 20
# Events that are kept until they are asked for: a guest can make QEMU tell of its clock over and over.
EVENTS = 1000


class MonitorError(Exception):
    """QEMU refused a command, or can no longer be talked to."""


class Monitor:
    """One conversation; the connection is the caller's to close."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        # What it was told and has not answered.
        self._owed: collections.deque[str] = collections.deque()
        self._events: collections.deque[Mapping[str, Any]] = collections.deque(maxlen=EVENTS)

    def greet(self) -> None:
        """Hear the greeting, and what becomes of what was told already, first of all that we begin."""
        if "QMP" not in self._message(time.monotonic() + PATIENCE):
            raise MonitorError("QEMU's monitor does not greet")
        self._answers()

    def begin(self) -> None:
        """Tell QEMU that we begin, which it may hear once it has started."""
        self.tell("qmp_capabilities")

    def ask(self, command: str, arguments: Mapping[str, Any] | None = None, descriptors: Iterable[int] = ()) -> Any:
        """What a command returns. Raises MonitorError with what QEMU has against it, or against one that it was told."""
        self.tell(command, arguments, descriptors)
        return self._answers()

    def tell(self, command: str, arguments: Mapping[str, Any] | None = None, descriptors: Iterable[int] = ()) -> None:
        """A command whose answer can wait: whoever greets or asks next hears what QEMU has against it."""
        text = json.dumps({"execute": command, "arguments": arguments or {}}).encode() + b"\n"
        try:
            self._socket.settimeout(PATIENCE)
            # A descriptor goes with the first byte.
            sent = socket.send_fds(self._socket, [text], list(descriptors)) if descriptors else 0
            self._socket.sendall(text[sent:])
        except (BrokenPipeError, ConnectionResetError):
            # Whoever waits for the answer hears how it ended.
            pass
        except OSError as error:
            raise MonitorError(f"QEMU does not listen: {error}") from None
        self._owed.append(command)

    def _answers(self) -> Any:
        """The answer to the last command; those before it are seen not to be refused."""
        deadline = time.monotonic() + PATIENCE
        answer = None
        while self._owed:
            message = self._message(deadline)
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                reason = message["error"]
                told = reason.get("desc") if isinstance(reason, dict) else reason
                raise MonitorError(f"QEMU refuses {self._owed.popleft()}: {told!s:.300}")
            elif "return" in message:
                self._owed.popleft()
                answer = message["return"]
        return answer

    def event(self, name: str) -> Mapping[str, Any]:
        """The data of the next event of that name; those before it are forgotten. Raises MonitorError when none comes."""
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self._events.popleft() if self._events else self._message(deadline)
            if message.get("event") == name:
                data = message.get("data")
                return data if isinstance(data, dict) else {}

    def status(self) -> str:
        """What QEMU's machine does: `running` and the like."""
        told = self.ask("query-status")
        return str(told.get("status")) if isinstance(told, dict) else ""

    def _message(self, deadline: float) -> dict[str, Any]:
        # Also of what is there: it may never be what is waited for.
        if time.monotonic() > deadline:
            raise MonitorError(f"QEMU says nothing that was asked for {PATIENCE:g} s")
        while b"\n" not in self._buffer:
            try:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                received = self._socket.recv(65536)
            except TimeoutError:
                raise MonitorError(f"QEMU says nothing for {PATIENCE:g} s") from None
            except ConnectionResetError:
                # It ended before it heard all that it was told.
                received = b""
            except OSError as error:
                raise MonitorError(f"QEMU is gone: {error}") from None
            if not received or len(self._buffer) > LIMIT:
                raise MonitorError("QEMU ended the conversation")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise MonitorError(f"QEMU talks nonsense: {line[:80]!r}")
        return message
