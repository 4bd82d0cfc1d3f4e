"""One hostile party beside an honest studio: the studio's page latency and the web's memory, alone and under attack.

`ground` prepares two studios and describes them to the other processes. `attacks` lists the attacks; each runs in a
process of its own (`python -m tests.bench.hostile.attacker NAME`), from addresses of its own, until it is told to stop.
`meter` loads one page of the honest studio at a fixed pace and samples the web process. To add an attack, write a
function `async def name(ground: Ground, course: Course) -> None` and add it to `attacks.ATTACKS`.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from tests.bench.hostile.attacker import Attacker
from tests.bench.hostile.attacks import ATTACKS
from tests.bench.hostile.ground import Ground, prepare
from tests.bench.hostile.meter import Meter
from tests.bench.plane import measured, web_process

ALONE_S = float(os.environ.get("THREEDANCE_TEST_HOSTILE_S", "20"))
BESIDE_S = ALONE_S
SELECTED = "THREEDANCE_TEST_HOSTILE_ATTACKS"
"""A comma-separated choice of attacks; unset: all of them."""


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
    await meter.run(3.0)
    before = await meter.run(ALONE_S)
    async with Attacker(name, ground) as attacker:
        beside = await meter.run(BESIDE_S)
        facts = await attacker.stop()
    after = await meter.run(ALONE_S)
    return {"before": before, "beside": beside, "after": after, "facts": facts}


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    rows = [
        "| attack | p95 of the page alone, ms | beside the attack, ms | ratio | pages failed"
        " | web memory before, MB | peak, MB | files held, MB | sockets, peak |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in result.items():
        before, beside, after = found["before"], found["beside"], found["after"]
        alone_ms = (before["p95_ms"] + after["p95_ms"]) / 2
        rows.append(
            f"| {name} | {before['p95_ms']:.0f}, after it {after['p95_ms']:.0f} | {beside['p95_ms']:.0f} |"
            f" {beside['p95_ms'] / alone_ms:.2f} | {beside['failed']} of {beside['asked']} |"
            f" {before['rss_mb']:.0f} | {beside['rss_peak_mb']:.0f} | {beside['held_mb']:.0f} | {beside['sockets']} |"
        )
    rows += ["", *(f"`{name}`: {found['facts']}" for name, found in result.items())]
    return "\n".join(rows)
