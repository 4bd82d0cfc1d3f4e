"""Playback under access control and audit: an hour's class, three cameras, 200 viewers, each signed in on their own.

First what there is most of: all 200 ask again as soon as they have their answer, one kind of request at a time. Then
what a class is like: all 200 play it from different places, as a player asks (per camera a fragment each 2 s, a key
each 6 s). Beside them `livez`, which needs neither session nor database: the cost of the server itself. Few ask for it at
a time, because the server refuses health probes that queue.
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.plane import cpu_s, measured, part, web_process
from tests.bench.raw_http import Viewer

VIEWERS = 200
PROBES = 8
EACH_S = 6.0
PLAY_S = 18.0
KINDS = ("livez", "check", "key", "bytes", "init", "playlist", "timeline")
BYTES_PER_S = 375_000
"""3 Mb/s."""


def measure(folder: Path) -> dict[str, Any]:
    """Returns requests/s and p95 per kind, and how late answers are while 200 play."""
    return measured("tests.bench.playback", folder)


def main(address: str) -> None:
    """Prints the figures as JSON, inside a control plane."""
    import django

    django.setup()
    from tests.bench.stage import cookie_of, make_class, make_stage, make_viewers

    stage = make_stage()
    playable = make_class(stage, length_s=3600, stored_s=120, bytes_per_s=BYTES_PER_S)
    cookies = [cookie_of(user) for user in make_viewers(stage, VIEWERS)]
    parts = urlsplit(address)
    viewers = [Viewer(parts.hostname or "", parts.port or 80, cookie) for cookie in cookies]
    segments = [(track, *segment) for track, of in playable.segments.items() for segment in of]
    print(json.dumps(asyncio.run(_measure(viewers, playable.folder, playable.tracks, segments))))


async def _measure(
    viewers: list[Viewer], folder: str, tracks: list[Any], segments: list[Any]
) -> dict[str, Any]:
    rng = random.Random(7)
    web = web_process()

    def request(kind: str) -> tuple[str, dict[str, str]]:
        track, segment, ranges = rng.choice(segments)
        match kind:
            case "livez":
                return "/livez", {}
            case "check" | "timeline":
                return f"{folder}/{kind}" + (".json" if kind == "timeline" else ""), {}
            case "playlist":
                return f"{folder}/tracks/{rng.choice(tracks)}/playlist.m3u8", {}
            case "init":
                return f"{folder}/tracks/{track}/init/{segment}.mp4", {}
            case "key":
                return f"{folder}/segments/{segment}/key", {}
            case _:
                return f"{folder}/segments/{segment}/bytes.m4s", {"Range": rng.choice(ranges)}

    first_s = {}
    for kind in ("timeline", "playlist"):
        path, headers = request(kind)
        first_s[kind] = (await viewers[0].get(path, **headers)).took_s
    kinds: dict[str, Any] = {}
    for kind in KINDS:
        took: list[float] = []
        path, headers = request(kind)
        for viewer in viewers:  # each has its replay on record, and its connection
            answer = await viewer.get(path, **headers)
            assert answer.status in (200, 204, 206), (kind, answer.status, answer.body[:200])
        alone = [(await viewers[0].get(*_p(request(kind)))).took_s for _ in range(20)]
        before_s, began_s = cpu_s(web), time.perf_counter()
        until_s = began_s + EACH_S

        async def ask(
            viewer: Viewer, kind: str = kind, until_s: float = until_s, took: list[float] = took
        ) -> None:
            while time.perf_counter() < until_s:
                path, headers = request(kind)
                answer = await viewer.get(path, **headers)
                assert answer.status in (200, 204, 206), (kind, answer.status)
                took.append(answer.took_s)

        await asyncio.gather(*(ask(viewer) for viewer in (viewers[:PROBES] if kind == "livez" else viewers)))
        passed_s = time.perf_counter() - began_s
        kinds[kind] = {
            "per_s": len(took) / passed_s,
            "p50_ms": part(took, 0.5) * 1000,
            "p95_ms": part(took, 0.95) * 1000,
            "alone_ms": part(alone, 0.5) * 1000,
            "web_cpu_ms": (cpu_s(web) - before_s) / len(took) * 1000,
        }
    return {
        "viewers": len(viewers),
        "first_s": first_s,
        "kinds": kinds,
        "playing": await _play(viewers, folder, segments),
    }


async def _play(viewers: list[Viewer], folder: str, segments: list[Any]) -> dict[str, Any]:
    """Returns how long answers took while all viewers play, as a player asks."""
    rng = random.Random(8)
    keys: list[float] = []
    fragments: list[float] = []
    tracks = sorted({track for track, _, _ in segments})
    by_track = {track: [(s, r) for t, s, r in segments if t == track] for track in tracks}
    began_s = time.perf_counter()

    async def play(viewer: Viewer) -> None:
        await asyncio.sleep(rng.random() * 6)
        place = rng.randrange(len(by_track[tracks[0]]))
        while (at_s := time.perf_counter()) < began_s + PLAY_S:
            for index in range(3):
                for track in tracks:
                    segment, ranges = by_track[track][place % len(by_track[track])]
                    if index == 0:
                        keys.append((await viewer.get(f"{folder}/segments/{segment}/key")).took_s)
                    path = f"{folder}/segments/{segment}/bytes.m4s"
                    fragments.append((await viewer.get(path, Range=ranges[index])).took_s)
                await asyncio.sleep(max(0.0, at_s + 2 * (index + 1) - time.perf_counter()))
            place += 1

    await asyncio.gather(*(play(viewer) for viewer in viewers))
    passed_s = time.perf_counter() - began_s
    return {
        "wanted_per_s": len(viewers) * 3 * (1 / 2 + 1 / 6),
        "per_s": (len(keys) + len(fragments)) / passed_s,
        "key_p95_ms": part(keys, 0.95) * 1000,
        "bytes_p95_ms": part(fragments, 0.95) * 1000,
    }


def _p(asked: tuple[str, dict[str, str]]) -> tuple[str]:
    return (asked[0],)


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    rows = [
        f"| {kind} | {row['per_s']:.0f} | {row['p50_ms']:.0f} | {row['p95_ms']:.0f} | {row['alone_ms']:.1f} |"
        f" {row['web_cpu_ms']:.1f} |"
        for kind, row in result["kinds"].items()
    ]
    playing = result["playing"]
    return "\n".join(
        [
            f"| {result['viewers']} viewers of an hour's class, asking without a pause"
            " | requests/s | p50, ms | p95, ms | one alone, ms | CPU of the web, ms |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"| {result['viewers']} viewers who play it | |",
            "|---|---|",
            f"| requests/s wanted, and had | {playing['wanted_per_s']:.0f}, {playing['per_s']:.0f} |",
            f"| key, p95 | {playing['key_p95_ms']:.0f} ms |",
            f"| bytes of a fragment, p95 | {playing['bytes_p95_ms']:.0f} ms |",
            f"| first timeline, nothing laid out yet | {result['first_s']['timeline'] * 1000:.0f} ms |",
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1])
