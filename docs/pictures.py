"""Takes the README's pictures anew: `python docs/pictures.py`, with what `make test` installs. Of the committed evidence."""

from __future__ import annotations

import html
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser, running  # noqa: E402

COMMANDS = ("decide bubblewrap-like --column debian-[567].*", "cite availability.close_range")
# Which cell is open, and where the page is looked at.
CELL, AREA = "mount_locking.beneath[user and mount]@debian-6.18", "mount_locking"
LINES = 56
TERMINAL = """<body style="margin: 0; background: #151a1a; color: #e4e8e6; font: 13.3px/17px 'DejaVu Sans Mono'">
<pre style="margin: 10px; font: inherit">%s</pre>"""


def ksem(*words: str) -> str:
    """What the command prints."""
    return subprocess.run([sys.executable, "-m", "ksem", *words], cwd=ROOT, env={**os.environ, "COLUMNS": "96"},
                          capture_output=True, text=True, check=False).stdout


def terminal() -> str:
    """Commands as they are typed, and what they print, as much as is seen at once."""
    shown = []
    for command in COMMANDS:
        typed = " ".join(f"'{word}'" if "*" in word else word for word in command.split())
        shown += [f'<b style="color: #4fbf4f">$</b> ksem {html.escape(typed)}',
                  *html.escape(ksem(*command.split())).rstrip().splitlines()]
    return TERMINAL % "\n".join(shown[:LINES])


def take(browser: Browser, name: str) -> None:
    """A picture of what is seen now."""
    browser.driver.save_screenshot(str(ROOT / "docs" / f"{name}.png"))


def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory() as text, running() as browser:
        page, screen = Path(text) / "matrix.html", Path(text) / "terminal.html"
        ksem("matrix", "--format", "html", "--output", str(page))
        screen.write_text(terminal(), encoding="utf-8")
        browser.open(page, f"#differences=1&area={AREA}&cell={quote(CELL)}", (1360, 800))
        take(browser, "page")
        browser.open(page, "#differences=1", (390, 760), dark=True)
        take(browser, "phone")
        browser.tell("Emulation.setDeviceMetricsOverride", width=804, height=20 + 17 * LINES, deviceScaleFactor=1, mobile=False)
        browser.driver.get(screen.as_uri())
        take(browser, "terminal")


if __name__ == "__main__":
    main()
