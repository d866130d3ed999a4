"""`python -m benchmarks`: measures, and prints one table. Progress goes to stderr."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks import columns, floor, memory, virtme
from benchmarks.figures import Figure, table
from benchmarks.measure import Bench, Failed, bench
from ksem.model import INTERRUPTED, KsemError

# In the order in which they are measured: the catalogue begins with an empty cache anyway.
GROUPS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "catalogue": columns.catalogue, "cache": columns.kept, "case": columns.case, "local": columns.local,
    "column": columns.column, "item": columns.item, "memory": memory.machines, "floor": floor.boots,
    "virtme": virtme.compared, "growth": columns.growth}


def main() -> int:
    """Measure what is asked for; what cannot be measured here is a line that says why."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=GROUPS, default=[], metavar="WHAT",
                        help=f"of {', '.join(GROUPS)}; repeatable (default: all)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each is measured (default: 3)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    figures: list[Figure] = []
    status = 0
    try:
        for figure in _measured(options.only or list(GROUPS), options.rounds):
            figures.append(figure)
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        status = INTERRUPTED
    except KsemError as problem:
        print(f"benchmarks: {problem}", file=sys.stderr)
        return 2
    print(f"medians of {options.rounds}; {len(os.sched_getaffinity(0))} processors; "
          f"load {os.getloadavg()[0]:.1f} now (of ours, too)\n\n{table(figures)}")
    return status


def _measured(names: list[str], rounds: int) -> Iterator[Figure]:
    started = time.monotonic()
    with bench(rounds, lambda line: print(f"{time.monotonic() - started:6.0f} s  {line}", file=sys.stderr, flush=True)) as made:
        for name in dict.fromkeys(names):
            try:
                yield from GROUPS[name](made)
            except (Failed, KsemError) as problem:
                made.say(f"{name}: {problem}")
                yield Figure(name, beside=f"not measured: {problem}")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
