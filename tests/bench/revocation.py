"""Revocation: from the instant a right is taken away until the last answer that still gave something.

One viewer asks for everything at once, without a pause, on a connection of its own for each: the class's page, what the
page polls, timeline, playlist, init section, key, bytes, and whether it may go on. Then the right is taken away by
the service that the pages use. What counts is the last answer with content that *came* after the commit; the first
refusal is reported too. Agents are on the websocket, and call by HTTP meanwhile.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.plane import measured, part
from tests.bench.raw_http import Viewer

TIMES = int(os.environ.get("THREEDANCE_TEST_TIMES", "50"))
"""How often each kind is taken away."""
AT_ONCE = 2
SETTLE_S = 0.15
PATIENCE_S = 10.0


def measure(folder: Path) -> dict[str, Any]:
    """Returns the p99 and the worst per kind of revocation, in ms."""
    return measured("tests.bench.revocation", folder)


def main(address: str) -> None:
    """Prints the figures as JSON, inside a control plane."""
    import django

    django.setup()
    print(json.dumps(asyncio.run(_measure(address))))


async def _measure(address: str) -> dict[str, Any]:
    from tests.bench import revoked

    kinds = await asyncio.to_thread(revoked.prepare, TIMES)
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or 80
    found: dict[str, Any] = {}
    for kind, cases in kinds.items():
        turns = asyncio.Semaphore(AT_ONCE)
        rows = await asyncio.gather(*(_one(case, host, port, turns) for case in cases))
        found[kind] = _summary(rows)
    for kind, rows in (await revoked.agents(address, TIMES)).items():
        found[kind] = _summary(rows)
    return {"kinds": found}


async def _one(case: Any, host: str, port: int, turns: asyncio.Semaphore) -> tuple[float, float]:
    """Returns the ms from the commit to the last answer that gave something, and to the last of the first refusals."""
    async with turns:
        given: dict[str, float] = {}
        refused: dict[str, float] = {}

        all_given = asyncio.Event()

        async def ask(path: str) -> None:
            viewer = Viewer(host, port, case.cookie)
            try:
                while path not in refused:
                    answer = await viewer.get(path)
                    if answer.status in (200, 204, 206):
                        given[path] = time.perf_counter()
                        if len(given) == len(case.paths):
                            all_given.set()
                    elif path in given:
                        refused[path] = time.perf_counter()
                    else:
                        raise RuntimeError(f"{path} answers {answer.status} before anything was taken away")
            finally:
                viewer.close()

        asking = asyncio.gather(*(ask(path) for path in case.paths))
        try:
            await asyncio.wait_for(all_given.wait(), PATIENCE_S)
        except TimeoutError:
            asking.cancel()
            raise
        await asyncio.sleep(SETTLE_S)
        committed_s = await asyncio.to_thread(_timed, case.revoke)
        await asyncio.wait_for(asking, PATIENCE_S)
        return (
            max(0.0, max(given.values()) - committed_s) * 1000,
            (max(refused.values()) - committed_s) * 1000,
        )


def _timed(revoke: Callable[[], None]) -> float:
    from django.db import connections

    try:
        revoke()
        return time.perf_counter()
    finally:
        connections.close_all()


def _summary(rows: list[tuple[float, float]]) -> dict[str, Any]:
    given, refused = [row[0] for row in rows], [row[1] for row in rows]
    return {
        "times": len(rows),
        "given_p99_ms": part(given, 0.99),
        "refused_p50_ms": part(refused, 0.5),
        "refused_p99_ms": part(refused, 0.99),
        "worst_ms": max(refused),
    }


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    rows = [
        f"| {kind} | {row['times']} | {row['given_p99_ms']:.0f} | {row['refused_p50_ms']:.0f} |"
        f" {row['refused_p99_ms']:.0f} |"
        for kind, row in result["kinds"].items()
    ]
    return "\n".join(
        [
            "| taken away | times | last answer that gave something, p99, ms | refused everywhere, p50, ms | p99, ms |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1])
