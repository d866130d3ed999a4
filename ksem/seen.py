"""What a cell tells about its kernel at one place: a value, that the kernel lacks what the case needs, or nothing.

Contract: pure; `model` and `matrix` (for `leaves`). A cell that tells nothing is unknown, whatever the reason: it is never
taken for the behaviour that somebody hopes for, nor for another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ksem.matrix import leaves
from ksem.model import Cell, Result

# An observation that has no such value, where others do.
ABSENT = "absent"
# Why nothing is known of what nobody asked for.
NOT_RUN = "not run"
# How the reasons begin that speak of what came along with a machine or is set there, not of its kernel (those of
# ksem.guest.needs and ksem.guest.disks, then those of cases): another machine with the same kernel can answer.
_OF_THE_MACHINE = (
    "needs root", "changes a setting of the whole machine", "no filesystem ", "no disk ", "mounting the disk ",
    "AppArmor is not on", "Landlock is built in", "fs.protected_", "newuidmap and newgidmap are not installed",
    "this machine has no ",
)


def is_told(cell: Cell | None) -> bool:
    """Whether a cell says something about its kernel: what it does, or that it lacks what the case needs."""
    if cell is None:
        return False
    return cell.status == "observed" or (cell.status == "unsupported" and not cell.reason.startswith(_OF_THE_MACHINE))


@dataclass(frozen=True)
class Values:
    """All that a cell tells. leaves: of its observation, {path: text}. lacking: why there is none, "" when there is."""

    leaves: Mapping[str, str]
    lacking: str = ""

    def at(self, path: str) -> str:
        """The value at a leaf, ABSENT, or `unsupported: REASON`."""
        return f"unsupported: {self.lacking}" if self.lacking else self.leaves.get(path, ABSENT)


def values(cell: Cell | None) -> Values | None:
    """What a cell tells; None when that is nothing."""
    if cell is None or not is_told(cell):
        return None
    return Values({}, cell.reason or "nothing is said why") if cell.observation is None else Values(leaves(cell.observation))


def spelled(value: str) -> str:
    """A value for people: where it is empty, that is said."""
    return value or "(nothing)"


def why_unknown(cell: Cell | None) -> str:
    """Why a cell tells nothing, in a few words."""
    if cell is None or cell.status == "unknown":
        return NOT_RUN
    reason = cell.reason.partition("\n")[0]
    status = "could not be run" if cell.status == "unsupported" else cell.status
    return f"{status}: {reason}" if reason else status


def unexpected(result: Result, absent: str = ABSENT) -> list[tuple[str, str, str]]:
    """Every value that is not the expected one: its leaf, what was seen and what is expected. absent: for what is not there."""
    actual, right = leaves(result.cell.observation), leaves(result.expected)
    return [(path, actual.get(path, absent), right.get(path, absent))
            for path in {**right, **actual} if right.get(path) != actual.get(path)]


def difference(result: Result) -> str:
    """Every value that is not the expected one, with the source of the expectation."""
    lines = [f"{result.cell.case} on {result.column} ({result.release}) differs:"]
    lines += [f"  {path}: expected {right}, observed {actual}" for path, actual, right in unexpected(result, "nothing")]
    return "\n".join([*lines, f"  the expectation's source: {result.cites}"] if result.cites else lines)
