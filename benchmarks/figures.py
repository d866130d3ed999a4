"""What was measured, as data: figures, ratios of what was run in turns, and the table of all. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tabulate import tabulate

HEADERS = ("what", "measured", "from", "to", "wanted", "verdict", "beside")


@dataclass(frozen=True)
class Figure:
    """One line: values of one thing, each from a run of its own; none where it could not be measured, which `beside` explains.

    wanted: the most that the median may be, or with at_least the least. beside: what else is to be said, in few words.
    """

    what: str
    values: tuple[float, ...] = ()
    unit: str = "s"
    wanted: float | None = None
    at_least: bool = False
    beside: str = ""

    @property
    def median(self) -> float:
        """What counts. There must be a value."""
        return statistics.median(self.values)

    def verdict(self) -> str:
        """Whether what was wanted is reached, and the measured in units of it; nothing where nothing was wanted."""
        if self.wanted is None:
            return ""
        if not self.values:
            return "not measured"
        reached = self.median >= self.wanted if self.at_least else self.median <= self.wanted
        return f"{'reached' if reached else 'MISSED'} ({self.median / self.wanted:.2f})"

    def row(self) -> tuple[str, ...]:
        """As the table has it."""
        wanted = "" if self.wanted is None else f"{'≥' if self.at_least else '≤'} {self._shown(self.wanted)}"
        measured, least, most = ("", "", "")
        if self.values:
            measured = self._shown(self.median)
        if len(self.values) > 1:
            least, most = self._shown(min(self.values)), self._shown(max(self.values))
        return self.what, measured, least, most, wanted, self.verdict(), self.beside

    def _shown(self, value: float) -> str:
        return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {self.unit}"


def ratios(longer: Sequence[float], shorter: Sequence[float]) -> tuple[float, ...]:
    """How many times as long one took as the other, round by round: what else the machine did in a round befell both."""
    return tuple(one / other for one, other in zip(longer, shorter, strict=True))


def table(figures: Iterable[Figure]) -> str:
    """All figures, one a line."""
    return tabulate([figure.row() for figure in figures], HEADERS, disable_numparse=True,
                    colalign=("left", "right", "right", "right", "right", "left", "left"))
