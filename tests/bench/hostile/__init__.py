"""One hostile party beside an honest studio: the studio's latency and the web's memory, alone and under attack.

`ground` prepares two studios and describes them to the other processes. `attacks` lists the attacks; each runs in a
process of its own (`python -m tests.bench.hostile.attacker NAME`), from addresses of its own, until it is told to stop.
`meter` asks for the honest studio's pages, playlists and keys and uploads its segments, at a fixed pace, and samples the
web process. To add an attack, write a function `async def name(ground: Ground, course: Course) -> None` and add it to
`attacks.ATTACKS`.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from tests.bench.hostile import tenant
from tests.bench.hostile.attacker import Attacker
from tests.bench.hostile.attacks import ATTACKS
from tests.bench.hostile.ground import Ground, prepare
from tests.bench.hostile.meter import EVERY_S, Meter
from tests.bench.plane import measured, part, web_process

BESIDE_S = float(os.environ.get("THREEDANCE_TEST_HOSTILE_S", "24"))
ALONE_S = BESIDE_S / 2
"""Before an attack, and again after it: together as long as beside it."""
WARM_UP_S = 4.0
SELECTED = "THREEDANCE_TEST_HOSTILE_ATTACKS"
"""A comma-separated choice of attacks; unset: all of them."""
BAR = 1.2
"""The p95 beside an attack may be this many times the p95 alone."""


def measure(folder: Path) -> dict[str, Any]:
    """Returns for each attack the figures alone and beside it, each on a control plane of its own."""
    names = [name for name in os.environ.get(SELECTED, "").split(",") if name] or list(ATTACKS)
    return {name: measured("tests.bench.hostile", folder / name, name) for name in names}


def main(address: str, name: str) -> None:
    """Prints the figures of one attack as JSON, inside a control plane."""
    import django

    django.setup()
    print(json.dumps(asyncio.run(_measure(prepare(address), name))))


async def _measure(ground: Ground, name: str) -> dict[str, Any]:
    meter = Meter(ground, web_process())
    await tenant.warm_up(ground)
    await meter.run(WARM_UP_S)
    before = await meter.run(ALONE_S)
    async with Attacker(name, ground) as attacker:
        load_beside = os.getloadavg()[0]
        beside = await meter.run(BESIDE_S)
        facts = await attacker.stop()
    after = await meter.run(ALONE_S)
    return {
        "before": before,
        "beside": beside,
        "after": after,
        "facts": facts,
        "load_beside": round(load_beside, 1),
    }


def _p95_ms(kind: str, *runs: dict[str, Any]) -> float:
    return part([took_s for run in runs for took_s in run["kinds"][kind]["took_s"]], 0.95) * 1000


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    rows = [
        f"| p95 alone → beside, ms (ratio) | {' | '.join(EVERY_S)} | failed"
        " | web memory, MB | held on disk, MB | sockets | load |",
        f"|---|{'---|' * len(EVERY_S)}---|---|---|---|---|",
    ]
    for name, found in result.items():
        before, beside, after = found["before"], found["beside"], found["after"]
        cells = []
        for kind in EVERY_S:
            alone_ms, beside_ms = _p95_ms(kind, before, after), _p95_ms(kind, beside)
            ratio = beside_ms / alone_ms
            over = "**" if ratio > BAR else ""
            cells.append(f"{alone_ms:.0f} → {beside_ms:.0f} ({over}{ratio:.2f}{over})")
        failed = [reason for kind in EVERY_S for reason in beside["kinds"][kind]["failed"]]
        asked = sum(len(beside["kinds"][kind]["took_s"]) for kind in EVERY_S)
        rows.append(
            f"| {name} | {' | '.join(cells)} | {len(failed)} of {asked} |"
            f" {before['rss_mb']:.0f} → {beside['rss_peak_mb']:.0f} | {beside['held_mb']:.0f} | {beside['sockets']} |"
            f" {found['load_beside']} |"
        )
        rows += [f"`{name}` failed: {reason}" for reason in failed[:3]]
    rows += ["", *(f"`{name}`: {found['facts']}" for name, found in result.items())]
    return "\n".join(rows)
