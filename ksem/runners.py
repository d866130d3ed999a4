"""The runners of a process, column by column: the one whose turn it is, and those whose machines start already.

Contract: `runner`, `model`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from ksem.model import Column, KsemError
from ksem.runner import Runner


class Runners:
    """At most one runs anything. new: makes the runner of a column."""

    def __init__(self, new: Callable[[Column], Runner]) -> None:
        self._new = new
        self._current: Runner | None = None
        self._ahead: dict[Column, Runner] = {}

    def of(self, column: Column) -> Runner:
        """A column's, whose turn it is; the one before it is closed."""
        if self._current is None or self._current.column != column:
            self.end()
            self._current = self._ahead.pop(column, None) or self._new(column)
        return self._current

    def begin(self, column: Column) -> None:
        """Begin to start the machine of a column whose turn is still to come; what is wrong is told then."""
        if column not in self._ahead:
            with contextlib.suppress(KsemError):
                self._ahead[column] = self._new(column)
                self._ahead[column].begin()

    def adopt(self, begun: Runner) -> None:
        """Take over one that somebody else has begun."""
        self._ahead[begun.column] = begun

    def end(self) -> None:
        """End the machine whose turn it was."""
        if self._current is not None:
            self._current.close()
            self._current = None

    def close(self) -> None:
        """End all machines."""
        self.end()
        while self._ahead:
            self._ahead.popitem()[1].close()
