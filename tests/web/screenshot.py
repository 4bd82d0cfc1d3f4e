"""Pictures of a replay for the documentation: `python -m tests.web.screenshot SIGN_IN_LINK REPLAY_ADDRESS FOLDER`.

Both addresses are what the demo prints; the link is spent. Writes `replay.png`, `replay-light.png`, `replay-phone.png`.
"""

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.web.browser import Watched, chromium

LOOKS: dict[str, dict[str, Any]] = {
    "replay": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "replay-light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "replay-phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
AT_S = 12.4


def take(browser: Browser, link: str, address: str, folder: Path) -> None:
    """Signs in once and takes each look, stopped on one instant in mid-play."""
    entry = browser.new_context()
    page = entry.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/accounts/welcome/")
    signed_in = entry.storage_state()
    for name, options in LOOKS.items():
        context = browser.new_context(storage_state=signed_in, **options)
        viewer = Watched(context.new_page())
        viewer.page.goto(f"{address}#t={AT_S}")
        viewer.until_state("paused", timeout_s=30)
        viewer.execute({"type": "toggle"})
        viewer.until_state("playing")
        viewer.page.wait_for_timeout(900)
        viewer.execute({"type": "toggle"})
        viewer.until_state("paused")
        viewer.page.mouse.move(0, 0)
        viewer.page.screenshot(path=folder / f"{name}.png")
        context.close()


if __name__ == "__main__":
    _, link, address, folder = sys.argv
    with chromium() as browser:
        take(browser, link, address, Path(folder))
