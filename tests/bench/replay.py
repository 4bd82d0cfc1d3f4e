"""Replay in Chromium: how far apart the three views are, and how soon the first picture of all of them is there.

What is measured is what is seen: each picture of the demo's loop carries its frame number as squares. Whenever the first
view shows a new picture (`requestVideoFrameCallback`), the squares of all views are read at that instant. First
pictures are timed on the class's own page and, in turns, on the same page showing ffmpeg's own HLS of the same pictures.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.bench.installation import demo
from tests.bench.peer_page import peer_page
from tests.bench.plane import part
from tests.web.browser import Watched, chromium
from tools.demo_scene import frame_code, loop
from tools.demo_scene.render import default_cache, ensure_media

PROBE = Path(__file__).with_name("skew.js").read_text()
GEOMETRY = {
    "width": loop.WIDTH,
    "height": loop.HEIGHT,
    "left": frame_code.LEFT_PX,
    "top": frame_code.TOP_PX,
    "cell": frame_code.CELL_WIDTH_PX,
    "tall": frame_code.CELL_HEIGHT_PX,
    "cells": frame_code.CELLS,
}
FRAME_MS = 1000 / loop.FPS
CLASS_S = 40
PLAY_S = 20
TURNS = 5
SEEKS = (3.4, 21.7, 9.2, 30.1, 14.6, 25.3)


def measure(folder: Path) -> dict[str, Any]:
    """Returns skews in ms while playing, after seeks and paused, and first-picture times in ms of both pages."""
    with demo(folder / "state", "--seconds", str(CLASS_S)) as report, chromium() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(report["instructor_link"])
        page.locator("main button").first.click()
        page.wait_for_url("**/studio/**")
        viewer = _open(page, report["address"])
        page.evaluate(PROBE, GEOMETRY)
        playing = _while_playing(viewer)
        claimed = page.evaluate("() => window.measured.claims")
        seeking = _after_seeks(viewer)
        paused = _paused(viewer)
        folder_of_media = ensure_media(default_cache(), lambda part, what: None)
        media = {name: folder_of_media / f"{name}.mp4" for name in loop.CAMERAS}
        with peer_page(media, folder / "hls", CLASS_S) as peer:
            ours, theirs = [], []
            for _ in range(TURNS):
                ours.append(_first_pictures(context, report["address"]))
                theirs.append(_first_pictures(context, peer))
    return {
        "playing_p50_ms": part(playing, 0.50),
        "playing_p95_ms": part(playing, 0.95),
        "playing_samples": len(playing),
        "claimed_p50_ms": part(claimed, 0.50),
        "claimed_p95_ms": part(claimed, 0.95),
        "after_seek_p50_ms": part(seeking, 0.50),
        "after_seek_p95_ms": part(seeking, 0.95),
        "paused_worst_ms": max(paused),
        "first_pictures_ms": statistics.median(ours),
        "peer_first_pictures_ms": statistics.median(theirs),
        "first_pictures_ratio": statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
    }


def _open(page: Page, address: str) -> Watched:
    viewer = Watched(page)
    page.goto(address)
    viewer.until_state("paused", timeout_s=30)
    return viewer


def _first_pictures(context: BrowserContext, address: str) -> float:
    """Returns the ms from the navigation until all views have shown a picture."""
    page = context.new_page()
    try:
        viewer = _open(page, address)
        times = viewer.page.evaluate("window.threedance.player.trackPlayers.map(s => s.firstPictureMs)")
        return float(max(times))
    finally:
        page.close()


def _while_playing(viewer: Watched) -> list[float]:
    return _played(viewer, PLAY_S)


def _after_seeks(viewer: Watched) -> list[float]:
    """Skews in the first second of playing after each of some seeks."""
    found: list[float] = []
    for second in SEEKS:
        viewer.seek(second)
        viewer.until_state("paused")
        found += _played(viewer, 1)
    return found


def _played(viewer: Watched, seconds: float) -> list[float]:
    viewer.page.evaluate("() => { window.measured.notes.length = 0; }")
    viewer.page.keyboard.press("Space")
    viewer.until_state("playing")
    viewer.page.wait_for_timeout(seconds * 1000)
    notes = viewer.page.evaluate("() => window.measured.notes")
    viewer.page.keyboard.press("Space")
    viewer.until_state("paused")
    return [_spread(note) for note in notes]


def _paused(viewer: Watched) -> list[float]:
    """The spread of the pictures that stand still after each of some seeks."""
    found = []
    for second in SEEKS:
        viewer.seek(second + 0.5)
        viewer.until_state("paused")
        viewer.page.wait_for_timeout(200)
        viewer.page.evaluate("() => window.measured.note()")
        found.append(_spread(viewer.page.evaluate("() => window.measured.notes.at(-1)")))
    return found


def _spread(frames: Sequence[float]) -> float:
    """Returns the largest distance in ms between frames of the loop, the short way round."""
    half = loop.FRAMES / 2
    first = frames[0]
    placed = [(frame - first + half) % loop.FRAMES - half for frame in frames]
    return (max(placed) - min(placed)) * FRAME_MS


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    return "\n".join(
        [
            "| replay of three 720p30 views in Chromium | p50 | p95 |",
            "|---|---|---|",
            f"| skew while playing ({result['playing_samples']} instants) | {result['playing_p50_ms']:.0f} ms"
            f" | {result['playing_p95_ms']:.0f} ms |",
            f"| the same as the page says it | {result['claimed_p50_ms']:.0f} ms"
            f" | {result['claimed_p95_ms']:.0f} ms |",
            f"| skew in the second after a seek | {result['after_seek_p50_ms']:.0f} ms"
            f" | {result['after_seek_p95_ms']:.0f} ms |",
            f"| skew paused, worst | {result['paused_worst_ms']:.0f} ms | |",
            f"| first picture of all three | {result['first_pictures_ms']:.0f} ms | |",
            f"| the same page on ffmpeg's own HLS | {result['peer_first_pictures_ms']:.0f} ms"
            f" | ratio {result['first_pictures_ratio']:.2f} |",
        ]
    )
