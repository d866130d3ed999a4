"""A real browser for the tests: Debian's Chromium without a window, driven through its own driver.

It is told to ask nobody for anything, has a profile of its own that goes with it, and records what it logs and fetches.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from ksem.matrix import Matrix
from ksem.renderers import html

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--lang=en")
DESKTOP, PHONE = (1440, 900), (390, 844)
# Seconds that something may take to appear. Never waited for when it is there.
PATIENCE = 20


class Browser:
    """One browser; `open` gives it a page."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self.driver = driver
        self.folder = folder

    def open(self, page: Matrix | Path, address: str = "", size: tuple[int, int] = DESKTOP, dark: bool = False,
             media: str = "") -> None:
        """Show a matrix, or a page's file, as at first sight: in a window of this size, in a scheme of colours."""
        path = page if isinstance(page, Path) else self.folder / "page.html"
        if not isinstance(page, Path):
            path.write_text(html.render(page), encoding="utf-8")
        self.tell("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1,
                  mobile=size[0] < 600)
        self.emulate(dark, media)
        self.driver.get("about:blank")
        self.heard()
        self.driver.get(f"{path.as_uri()}{address}")
        self.wait(lambda: self.script("return performance.getEntriesByName('ready').length"))

    def emulate(self, dark: bool = False, media: str = "") -> None:
        """The scheme of colours that a user's system asks for, and the medium."""
        self.tell("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def tell(self, command: str, **arguments: Any) -> Any:
        """A command of Chrome's DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def script(self, text: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(text, *arguments)

    def wait(self, condition: Callable[[], Any]) -> Any:
        """What a condition gives once it is true."""
        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.02).until(lambda _: condition())

    def one(self, selector: str) -> WebElement:
        """The first element of a CSS selector, once it is there."""
        found: WebElement = self.wait(lambda: next(iter(self.all(selector)), None))
        return found

    def all(self, selector: str) -> list[WebElement]:
        """All elements of a CSS selector."""
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements of a CSS selector, shown or not."""
        return self._each(selector, ".map(one => one.textContent)")

    def shown(self, selector: str) -> list[str]:
        """The texts of those that are displayed."""
        return self._each(selector, ".filter(one => one.checkVisibility()).map(one => one.innerText)")

    def _each(self, selector: str, then: str) -> list[str]:
        found: list[str] = self.script(f"return [...document.querySelectorAll(arguments[0])]{then}", selector)
        return found

    def press(self, *keys: str) -> None:
        """Keys, one after the other, to whatever has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def focused(self) -> str:
        """What a screen reader would say of the focused cell, or its text."""
        said: str = self.script("const one = document.activeElement; return one.getAttribute('aria-label') || one.innerText")
        return said

    def heard(self) -> tuple[list[str], list[str]]:
        """What was logged (errors, refusals) and fetched since this was last asked."""
        logged = [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        messages = [json.loads(entry["message"])["message"]
                    for entry in self.driver.get_log("performance")]  # type: ignore[no-untyped-call]
        return logged, [message["params"]["request"]["url"] for message in messages
                        if message["method"] == "Network.requestWillBeSent"]


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """A browser that ends with the block."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    assert not missing, f"{' and '.join(missing)} missing: apt-get install chromium chromium-driver"
    with tempfile.TemporaryDirectory(prefix="ksem-browser-", ignore_cleanup_errors=True) as folder:
        options = webdriver.ChromeOptions()
        for flag in (*FLAGS, f"--user-data-dir={folder}/profile"):
            options.add_argument(flag)
        options.binary_location = str(programs["chromium"])
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(str(programs["chromedriver"])))
        try:
            yield Browser(driver, Path(folder))
        finally:
            driver.quit()
