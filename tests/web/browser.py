"""A headless Chromium that reads what a viewer would see: states, pictures' numbers, complaints of the page."""

import base64
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.footage import BITS, BLOCK

CHROMIUM = (
    os.environ.get("THREEDANCE_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Starts a browser for the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page and everything it complained about: console errors, script errors, policy violations."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def _console(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)

    def until(self, wanted: Callable[[], Any], *, timeout_s: float = 10.0) -> Any:
        """Returns the first true value of `wanted`; the page's policy allows no `wait_for_function`.

        Raises:
            AssertionError: it stayed false; says what the page complained about.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            value = wanted()
            if value:
                return value
            self.page.wait_for_timeout(40)
        raise AssertionError(f"still not so after {timeout_s} s; the page said {self.complaints}")

    def state(self) -> str | None:
        """Returns the player's state."""
        state: str | None = self.page.evaluate("document.querySelector('.replay')?.dataset.state ?? null")
        return state

    def until_state(self, state: str, *, timeout_s: float = 10.0) -> None:
        """Waits for the player's state."""
        self.until(lambda: self.state() == state, timeout_s=timeout_s)

    def until_settled(self) -> None:
        """Waits until all views play in their places."""
        self.until(lambda: self.page.evaluate("window.threedance.player.syncGroup.isSettled"), timeout_s=20)

    def execute(self, command: dict[str, Any]) -> None:
        """Executes a command of the player, as a key does."""
        self.page.evaluate("command => window.threedance.player.execute(command)", command)

    def seek(self, class_s: float) -> None:
        """Seeks and waits until all views have shown their picture."""
        self.page.evaluate("s => window.threedance.player.syncGroup.seek(s)", class_s)

    def time_s(self) -> float:
        """Returns the class time on the master clock."""
        return float(self.page.evaluate("window.threedance.player.syncGroup.timeS"))

    def number(self, position: str) -> int:
        """Returns the frame number of one view, which shows one."""
        number = self.numbers()[position]
        assert number is not None
        return number

    def numbers(self) -> dict[str, int | None]:
        """Returns the frame number that each view shows at one instant, read from its pixels; None where there is none."""
        drawn = self.page.evaluate(
            """([width, height]) => {
                const drawn = window.threedance.player.tiles.map(({track, video}) => {
                    const canvas = document.createElement('canvas');
                    [canvas.width, canvas.height] = [width, height];
                    if (video.readyState < 2) return [track.position, null];
                    canvas.getContext('2d').drawImage(video, 0, 0, width, height, 0, 0, width, height);
                    return [track.position, canvas];
                });
                return drawn.map(([position, canvas]) => [position, canvas?.toDataURL('image/png').split(',')[1] ?? null]);
            }""",
            [BITS * BLOCK, BLOCK],
        )
        return {
            position: None if data is None else _number(base64.b64decode(data)) for position, data in drawn
        }


def _number(png: bytes) -> int:
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    centres = picture[BLOCK // 2, BLOCK // 2 :: BLOCK][:BITS]
    return sum(1 << bit for bit, level in enumerate(centres) if level > 127)
