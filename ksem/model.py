"""The words of ksem as data: immutable, builtin-typed, known to every room.

Contract: the standard library only.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

# Stands where a kernel was never seen, and comes before every release.
NO_RELEASE = "0.0"
# The exit status of what SIGINT ended, as shells tell it.
INTERRUPTED = 130
# Shows a line of progress.
Say = Callable[[str], None]
# Which calls of a run are to be made otherwise, by how: ksem.guest.mutation says what there is.
Mutant = Mapping[str, tuple[int, ...]]


class KsemError(Exception):
    """What a user can mend: one line that names the thing and the mend. The command exits with 2."""


class Unavailable(KsemError):
    """A column whose kernel or machine cannot be had here; the other columns go on.

    lost: whether its machine was started and did not come up, so that its cells are lost rather than unknown.
    """

    def __init__(self, message: str, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost


class Lost(Exception):
    """The machine under test panicked, hung or vanished: never a verdict about its kernel.

    console: the last lines that its kernel printed. fate: what became of what runs it, where that is known.
    """

    def __init__(self, reason: str, console: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.console = console
        self.fate = ""


class Verdict(enum.StrEnum):
    """What a cell of the matrix says."""

    CONFORMS = "conforms"
    DIFFERS = "differs"
    UNSUPPORTED = "unsupported"
    BROKEN = "broken"
    LOST = "lost"
    FLAKY = "flaky"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Column:
    """One kernel under test, as it was asked for.

    backend: a module of ksem.backends. source: what its kernel module resolves (`debian:6.12`, `image:PATH`, `host`).
    deadline: seconds that it may take to come up. machine: which machine of the Vagrantfile in `vms`, where the backend runs
    one. keep: leave what was started running. cold: boot it, though it could be restored. default: whether it belongs to a
    run that names no column.
    """

    name: str
    backend: str
    source: str
    modules: Path | None = None
    deadline: float = 90.0
    machine: str = ""
    vms: Path | None = None
    keep: bool = False
    cold: bool = False
    default: bool = True


@dataclass(frozen=True)
class Kernel:
    """A kernel at hand.

    release: the upstream release (`6.12.117`, `7.3-rc7`). image: what boots. modules: the directory that holds `kernel/`.
    config: its configuration. remark: what is missing of it, to be shown with the column.
    """

    release: str
    package: str = ""
    image: Path | None = None
    modules: Path | None = None
    config: Path | None = None
    remark: str = ""


@dataclass(frozen=True)
class Cell:
    """What one case with one parameter set left on one column, as it is stored.

    status: observed, unsupported, broken, lost (twice), or flaky: lost once and answered at the second try, which makes neither
    certain. trace: events as ksem.guest.trace describes them.
    """

    case: str
    params: Mapping[str, Any]
    status: str
    observation: Mapping[str, Any] | None = None
    reason: str = ""
    trace: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that is known of one column: its kernel, what surrounded it, and its cells.

    problem: why the newest attempt to have the column failed, if it did (never stored).
    """

    column: str
    release: str
    environment: Mapping[str, Any]
    cells: tuple[Cell, ...]
    problem: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Result:
    """A cell with its verdict: what the matrix is made of."""

    cell: Cell
    column: str
    release: str
    verdict: Verdict
    expected: Mapping[str, Any] | None = None
    cites: str = ""


class Call(NamedTuple):
    """One call of a case, where it is to be told of them.

    event: its place in the trace. unit: which call of a helper it belongs to, or its own. must: whether a failure breaks the
    case. tells: whether it gives data. lines: of the case, `12<30`, the innermost first. helper: of ksem.guest, or "".
    """

    event: int
    unit: int
    must: bool
    tells: bool
    lines: str
    helper: str


@dataclass(frozen=True)
class Answer:
    """What an agent said to one request.

    trace: its events as they are stored, a line of JSON each. calls: those of the case, if it was to tell of them.
    """

    status: str
    observation: Mapping[str, Any] | None = None
    reason: str = ""
    traceback: str = ""
    trace: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()


def cell_key(case: str, params: Mapping[str, Any]) -> tuple[str, str]:
    """What a cell is known by, on each column: its case, and its parameters as text, in whatever order they are named."""
    return case, json.dumps(dict(params), sort_keys=True)


# Nine digits: a number that no kernel has had is a mistake, and Python takes none of thousands of digits.
_RELEASE = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:[-~]?rc(\d{1,9}))?(?!\d)", re.ASCII)


def release_key(release: str) -> tuple[int, int, int, int]:
    """Releases in order: 6.9 < 6.12-rc1 < 6.12 < 6.12.1. Raises KsemError for what is no release."""
    match = _RELEASE.match(release)
    if match is None:
        raise KsemError(f"{release!r:.80} is no kernel release: it should look like 6.12 or 6.12.90")
    major, minor, patch, candidate = (int(part) if part else None for part in match.groups())
    return (major or 0, minor or 0, patch or 0, 10_000 if candidate is None else candidate)


def series_of(release: str) -> str:
    """The series of a release: 6.12 for 6.12.117."""
    major, minor, _, _ = release_key(release)
    return f"{major}.{minor}"


def upstream_release(release: str, version: str) -> str:
    """The upstream release behind uname(2)'s release and version.

    Debian's `6.1.0-56` is an ABI name; its version text names the package, and with it the release:
    `#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-..)`.
    """
    debian = re.search(r"Debian (\d+\.\d+[^-\s]*)-", version)
    match = _RELEASE.match(debian.group(1) if debian else release)
    return match.group(0).replace("~", "-") if match else release


def seconds(text: str) -> float:
    """A number of seconds that a user gives. Raises ValueError."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError("must be more than 0")
    return value
