"""A real Chromium with the console of a real sidecar, which records all errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright

from tests.running import RunningSidecar

SCREENSHOTS = Path(__file__).parents[2] / ".artifacts" / "console"
"""Screenshots of the tests, for people to look at."""
PATIENCE_MS = 30_000
FLAGS = [
    "--no-sandbox",  # tests run as root, in a container
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other server can be reached
]


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium; `make test` installs it."""
    return playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)


class Console:
    """A page of the console. `troubles` are the errors that the browser reported."""

    def __init__(self, browser: Browser, sidecar: RunningSidecar, **options: Any) -> None:
        self.sidecar = sidecar
        self.troubles: list[str] = []
        self.asked: list[str] = []
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.context.on("console", self._on_message)
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.troubles.append(f"thrown: {error}"))
        self.page.on("dialog", self._on_dialog)

    def open(self, view: str = "overview") -> Console:
        """Open a view, and wait until it is live and shows data."""
        self.page.goto(f"http://127.0.0.1:{self.sidecar.port}/#{view}")
        self.await_live()
        self.page.wait_for_selector(f"#main[aria-busy=false] #{view}-view:not([hidden])")
        return self

    def await_live(self) -> None:
        self.page.wait_for_selector("#connection.live")

    def at(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Poll a condition of the page; fails if it is never true."""
        for _ in range(PATIENCE_MS // 50):
            if holds():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited in vain until {what}")

    def rows(self, name: str) -> list[list[str]]:
        """The cells of a table, by its accessible name."""
        table = self.page.get_by_role("region", name=name, exact=True)
        found: list[list[str]] = table.evaluate(
            "(region) => [...region.querySelectorAll('tbody tr')].map("
            "(row) => [...row.children].map((cell) => cell.innerText.trim()))"
        )
        return found

    def keep(self, name: str) -> Path:
        """A screenshot of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path

    def close(self) -> None:
        """Fails if there was an error, or a request to another server."""
        self.context.close()
        hosts = {urlsplit(url).netloc for url in self.asked if not url.startswith("blob:")}
        assert hosts <= {f"127.0.0.1:{self.sidecar.port}"}
        assert self.troubles == []

    def _on_message(self, message: ConsoleMessage) -> None:
        self.troubles.append(f"{message.type}: {message.text}")

    def _on_dialog(self, dialog: Any) -> None:
        self.troubles.append(f"a dialog: {dialog.message}")
        dialog.dismiss()
