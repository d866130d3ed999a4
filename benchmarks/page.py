"""How long the page takes to open in a real browser, with 20,000 cells and with the project's own evidence.

    .venv/bin/python benchmarks/page.py [CELLS]

Prints medians over several loads: from the start of the navigation until the page can be used (`ready`) and until something
was painted; then what a user does, once each: evidence opened, all rows expanded, a search. And what it takes to make it.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import matrices  # noqa: E402
from browser import Browser, running  # noqa: E402

from ksem.matrix import Matrix  # noqa: E402
from ksem.renderers import html  # noqa: E402

LOADS = 7
COLUMNS = 20
READY = "return performance.getEntriesByName('ready')[0].startTime"
PAINTED = "return (performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime"
# What each step does, in the page, and when it is over: once the next frame is drawn.
STEPS = {
    "open a cell's evidence": "document.querySelector('#body .top > .cell:not(.unknown)').click();"
                              "while (!$('panel').checkVisibility()) await frame()",
    "only differences": "$('differences').click()",
    "expand all": "$('differences').click(); $('expand').click()",
    "search": "$('search').value = 'mount'; $('search').dispatchEvent(new Event('input', {bubbles: true}))",
}


def main() -> None:
    """Measure both pages."""
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with running() as browser:
        measure(browser, f"{cells} synthetic cells", matrices.large(COLUMNS, cells // COLUMNS))
        measure(browser, "own evidence", matrices.own())


def measure(browser: Browser, name: str, matrix: Matrix) -> None:
    """Print all that is to be known of one page."""
    started = time.perf_counter()
    text = html.render(matrix)
    made = time.perf_counter() - started
    path = browser.folder / "measured.html"
    path.write_text(text, encoding="utf-8")
    print(f"{name}: {sum(1 for _ in matrix.results())} cells on {len(matrix.columns)} columns,"
          f" {len(text) / 1e6:.2f} MB, made in {made:.1f} s")
    loads = [load(browser, path) for _ in range(LOADS)]
    for what, times in zip(("ready", "first contentful paint"), zip(*loads, strict=True), strict=True):
        print(f"  {what:<24}{statistics.median(times):7.0f} ms  (of {LOADS}: {min(times):.0f} to {max(times):.0f})")
    for step, script in STEPS.items():
        print(f"  {step:<24}{timed(browser, script):7.0f} ms")
    print(f"  {'elements at the end':<24}{browser.script('return document.querySelectorAll(`*`).length'):7}")


def load(browser: Browser, path: Path) -> tuple[float, float]:
    """Milliseconds until ready and until painted."""
    browser.open(path)
    painted: Callable[[], float] = lambda: browser.script(PAINTED)  # noqa: E731
    return browser.script(READY), browser.wait(painted)


def timed(browser: Browser, script: str) -> float:
    """Milliseconds from a step's start to the frame that shows it."""
    return float(browser.driver.execute_async_script(
        "const done = arguments[0], frame = () => new Promise(requestAnimationFrame), start = performance.now();"
        f"(async () => {{ {script}; await frame(); await frame(); done(performance.now() - start); }})()"))


if __name__ == "__main__":
    main()
