"""A page in a real browser, with all that it asked for and complained about."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright


@contextmanager
def running() -> Iterator[Browser]:
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    program = next((found for found in (shutil.which(name) for name in names if name) if found), None)
    if program is None:
        pytest.fail(
            "No browser to look at the report with: install chromium (Debian: apt-get install chromium), or name it in CHROMIUM."
        )
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-background-networking"])
        yield started
        started.close()


class Look:
    """A page, open in the browser."""

    def __init__(
        self, browser: Browser, folder: Path, html: str, width: int = 1200, name: str = "report.html", **context: Any
    ) -> None:
        self.path = folder / name
        self.path.write_bytes(html.encode())
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **context)
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.route("**/*", self._ask)
        self.page.goto(self.path.as_uri(), wait_until="load")

    def _ask(self, route: Route) -> None:
        self.asked.append(route.request.url)
        route.continue_()

    def pixel(self, share: float) -> tuple[int, ...]:
        """The colour that the slider's stage really shows at `share` of its width, a quarter from its top."""
        image = Image.open(io.BytesIO(self.page.locator(".stage").screenshot()))
        return image.convert("RGB").getpixel((int(share * image.width), image.height // 4))  # type: ignore[return-value]  # RGB: three

    def until(self, what: str) -> None:
        """Wait until the expression is true: the page's policy lets nothing look on from within."""
        for _ in range(200):
            if self.page.evaluate(what):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"It never came true: {what}")

    def box(self) -> tuple[float, float, float]:
        box = self.page.locator(".stage").bounding_box()
        assert box
        return box["x"], box["y"] + box["height"] / 3, box["width"]

    def quiet(self) -> None:
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith("data:")] == [self.path.as_uri()]

    def pixel_of(self, selector: str) -> tuple[int, ...]:
        """The colour in the middle of the upper quarter of what `selector` names."""
        image = Image.open(io.BytesIO(self.page.locator(selector).screenshot()))
        return image.convert("RGB").getpixel((image.width // 2, image.height // 4))  # type: ignore[return-value]  # RGB: three
