"""Requests to an agent, and its answers in the order of the requests.

Contract: `model` and `ksem.guest.wire`. Whatever the wire does wrong becomes `Lost`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ksem.guest import wire
from ksem.model import Lost

# What the far side may take beyond a case's own deadline: fork, set-up, the way back, all under emulation.
MARGIN = 20.0


class Conversation:
    """With one agent. console: reads the last lines of what the kernel printed, for the message of a loss. Lost names `who`."""

    def __init__(self, channel: wire.Channel, console: Callable[[], str], who: str = "machine") -> None:
        self._channel = channel
        self.last_words = console
        self._who = who
        # What the answers that are under way will be told by, in order.
        self._owed: list[str] = []

    def ask(self, request: dict[str, Any], key: str, timeout: float = MARGIN) -> dict[str, Any]:
        """Its answer to a request, which has that key, within so many seconds."""
        self.send(request, key)
        return self.answer(timeout)

    def send(self, request: dict[str, Any], key: str) -> None:
        """Send a request whose answer has that key."""
        try:
            self._channel.send(request, MARGIN)
        except (wire.WireError, OSError) as error:
            raise self.lost(f"the {self._who} stopped listening ({error})") from error
        self._owed.append(key)

    def answer(self, timeout: float) -> dict[str, Any]:
        """The answer to the last request; those to earlier ones are seen to be right."""
        while True:
            key = self._owed.pop(0)
            answer = self.receive(timeout, f"the {self._who} did not answer")
            if key not in answer:
                raise self.lost(f"the agent answered {sorted(answer)!r:.200} instead of {key}")
            if not self._owed:
                return answer

    def receive(self, timeout: float, what: str) -> dict[str, Any]:
        """The next message, asked for or not. what: is said when none comes."""
        try:
            answer = self._channel.receive(timeout)
        except wire.Timeout:
            raise self.lost(f"{what} within {timeout:g} s") from None
        except (wire.WireError, OSError) as error:
            raise self.lost(f"{what}: {error}") from error
        if not isinstance(answer, dict):
            raise self.lost(f"{what} with an object")
        return answer

    def stop(self) -> None:
        """Ask the agent to end, and do not wait for long: who began it ends it anyway."""
        with contextlib.suppress(wire.WireError, OSError):
            self._channel.send({"stop": True}, 1.0)

    def lost(self, reason: str) -> Lost:
        """A loss, with the kernel's last words."""
        return Lost(reason, self.last_words())
