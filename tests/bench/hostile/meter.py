"""What an honest studio sees, and what the web process holds meanwhile."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from tests.bench.hostile.ground import Ground
from tests.bench.plane import part
from tests.bench.raw_http import Viewer

EVERY_S = 0.25
SAMPLE_S = 0.1
PAGE_TIMEOUT_S = 30.0
MB = 1_000_000


class Meter:
    """Loads one page at a fixed pace, whether or not earlier ones have been answered, and samples the web process."""

    def __init__(self, ground: Ground, web: int) -> None:
        self._ground = ground
        self._web = psutil.Process(web)
        self._free: list[Viewer] = []

    async def run(self, length_s: float) -> dict[str, Any]:
        """Returns latency, failures and the web process's memory, held files and sockets over `length_s`."""
        took: list[float] = []
        failed = [0]
        memory: list[int] = []
        held: list[int] = []
        sockets: list[int] = []
        sampler = asyncio.create_task(self._sample(memory, held, sockets))
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as pages:
            for index in range(int(length_s / EVERY_S)):
                await asyncio.sleep(max(0.0, began_s + index * EVERY_S - time.perf_counter()))
                pages.create_task(self._load(took, failed))
        sampler.cancel()
        await asyncio.wait({sampler})
        return {
            "asked": int(length_s / EVERY_S),
            "failed": failed[0],
            "p50_ms": part(took, 0.5) * 1000,
            "p95_ms": part(took, 0.95) * 1000,
            "rss_mb": part([float(size) for size in memory], 0.5) / MB,
            "rss_peak_mb": max(memory) / MB,
            "held_mb": max(held) / MB,
            "sockets": max(sockets),
        }

    async def _load(self, took: list[float], failed: list[int]) -> None:
        parts = urlsplit(self._ground.address)
        viewer = (
            self._free.pop()
            if self._free
            else Viewer(parts.hostname or "", parts.port or 80, self._ground.cookie)
        )
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout(PAGE_TIMEOUT_S):
                answer = await viewer.get(self._ground.page, Accept="text/html")
            failed[0] += answer.status != 200
            self._free.append(viewer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            failed[0] += 1
            viewer.close()
        # A failed page counts with the time that somebody waited for nothing.
        took.append(time.perf_counter() - began_s)

    async def _sample(self, memory: list[int], held: list[int], sockets: list[int]) -> None:
        while True:
            memory.append(self._web.memory_info().rss)
            files, open_sockets = await asyncio.to_thread(_descriptors, self._web.pid)
            held.append(files)
            sockets.append(open_sockets)
            await asyncio.sleep(SAMPLE_S)


def _descriptors(pid: int) -> tuple[int, int]:
    """Returns the bytes of deleted files (bodies kept aside) and the number of sockets that a process holds."""
    files = sockets = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
            if target.startswith("socket:"):
                sockets += 1
            elif target.endswith("(deleted)"):
                files += entry.stat().st_size
        except OSError:
            continue  # closed meanwhile
    return files, sockets
