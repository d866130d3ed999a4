"""close_range(2) closes all descriptors from one number to another, or marks them to be closed by execve(2).

A program that starts others must not leak what it has open. Without the call it closes every possible number in a loop, or
reads /proc/self/fd, which a sandbox may lack and which is a race with other threads. It came with 5.9;
CLOSE_RANGE_CLOEXEC, which leaves them usable until execve, came with 5.11, and is EINVAL before. Numbers that are not open
are no error; a range that ends before it starts is EINVAL, and closes nothing.
"""

from ksem.guest.case import Case, Rule
from ksem.guest.flags import CLOSE_RANGE, O

FIRST, LAST = 100, 102


def expected(marks):
    still = {"open": [FIRST, FIRST + 1, LAST], "marked": [FIRST, FIRST + 1] if marks else []}
    return {
        "backwards": dict(result="EINVAL", **{"open": still["open"], "marked": []}),
        "unknown flag": dict(result="EINVAL", **{"open": still["open"], "marked": []}),
        "CLOEXEC": dict(still, result="ok" if marks else "EINVAL"),
        "close": {"result": "ok", "open": [LAST], "marked": []},
        "with numbers that are not open": {"result": "ok", "open": [], "marked": []},
    }


CASE = Case(
    claim="close_range closes a range of descriptors (5.9), or marks it close-on-exec (5.11).",
    cites=("close_range(2), 'DESCRIPTION'", "278a5fbaed89 (\"open: add close_range()\"), 5.9"),
    expect=(
        Rule(expected(marks=True), since="5.11",
             cites="582f1fb6b721 (\"fs, close_range: add flag CLOSE_RANGE_CLOEXEC\"), 5.11"),
        Rule(expected(marks=False)),
    ),
)
F_DUPFD, F_GETFD = 0, 1


def observe(lab):
    opened = lab.open(".", O.PATH, 0)
    lab.values(("fcntl", opened, F_DUPFD, number) for number in range(FIRST, LAST + 1))
    ranges = {
        "backwards": (LAST, FIRST, 0),
        "unknown flag": (FIRST, LAST, 1 << 30),
        "CLOEXEC": (FIRST, FIRST + 1, CLOSE_RANGE.CLOEXEC),
        "close": (FIRST, FIRST + 1, 0),
        "with numbers that are not open": (FIRST, 150, 0),
    }
    return {name: dict(look(lab, *lab.batch([("close_range", *given)]))) for name, given in ranges.items()}


def look(lab, result):
    numbers = range(FIRST, LAST + 1)
    flags = {number: lab.issue("fcntl", [number, F_GETFD, 0])[0] for number in numbers}
    return {"result": result, "open": [number for number in numbers if flags[number] is not None],
            "marked": [number for number in numbers if flags[number]]}
