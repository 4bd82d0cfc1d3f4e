"""Response times of an honest studio, and resources of the web process meanwhile."""

import asyncio
import gzip
import itertools
import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from shared.protocol.codec import decode, encode
from shared.protocol.upload import (
    AlreadyCommitted,
    CommitAnswer,
    CommitItem,
    CommitRequest,
    IntentAnswer,
    IntentRequest,
    PutTarget,
)
from tests.bench.hostile.client import Answer, Client
from tests.bench.hostile.footage import segment
from tests.bench.hostile.ground import Ground
from tests.bench.plane import part
from tests.bench.raw_http import Viewer

RATE = float(os.environ.get("THREEDANCE_TEST_HOSTILE_RATE", "1"))
"""How many times as often everything is asked for. Lower it where the machine has other work: what the honest studio asks
for must be a small part of what is left, or it is in its own way."""
EVERY_S = {
    kind: every_s / RATE
    for kind, every_s in {"page": 0.6, "playlist": 0.6, "key": 0.6, "upload": 1.5}.items()
}
"""How often each kind is asked for: somebody works in the portal, some watch, and three cameras record 1.1 Mbit/s each."""
APART_S = 0.07
"""Kinds start this much after each other, so that they do not wait for each other each time."""
FRAGMENTS, FRAGMENT_BYTES = 3, 200_000
HONEST_ADDRESS = "127.0.0.1"
SAMPLE_S = 0.1
TIMEOUT_S = 30.0
MB = 1_000_000


class Failed(Exception):
    """The control plane did not do what was asked for."""


class Meter:
    """Asks at a fixed pace, whether or not earlier requests have been answered, and samples the web process."""

    def __init__(self, ground: Ground, web: int) -> None:
        self._ground = ground
        self._web = psutil.Process(web)
        self._agent_client = ground.agent_client(ground.honest_agent)
        self._viewers: list[Viewer] = []
        self._paths = {kind: itertools.cycle(paths) for kind, paths in ground.pages.items()}
        # Behind those of the replay: they are of the same cameras.
        self._sequence = itertools.count(1001)

    async def run(self, length_s: float) -> dict[str, Any]:
        """Returns times and failures of each kind, and the web process's memory, held files and sockets."""
        kinds: dict[str, Any] = {kind: {"took_s": [], "failed": []} for kind in EVERY_S}
        memory: list[int] = []
        held: list[int] = []
        sockets: list[int] = []
        sampler = asyncio.create_task(self._sample(memory, held, sockets))
        began_s = time.perf_counter()
        starts = sorted(
            (index * every_s + place * APART_S, kind)
            for place, (kind, every_s) in enumerate(EVERY_S.items())
            for index in range(int(length_s / every_s))
        )
        async with asyncio.TaskGroup() as requests:
            for at_s, kind in starts:
                await asyncio.sleep(max(0.0, began_s + at_s - time.perf_counter()))
                requests.create_task(self._timed(kind, kinds[kind]))
        sampler.cancel()
        await asyncio.wait({sampler})
        return {
            "kinds": kinds,
            "rss_mb": part([float(size) for size in memory], 0.5) / MB,
            "rss_peak_mb": max(memory) / MB,
            "held_mb": max(held) / MB,
            "sockets": max(sockets),
        }

    async def _timed(self, kind: str, found: dict[str, Any]) -> None:
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await (self._upload() if kind == "upload" else self._get(kind))
        except (OSError, asyncio.IncompleteReadError, TimeoutError, Failed) as error:
            found["failed"].append(repr(error))
        # A request that failed counts with the time that somebody waited for nothing.
        found["took_s"].append(time.perf_counter() - began_s)

    async def _get(self, kind: str) -> None:
        parts = urlsplit(self._ground.address)
        viewer = (
            self._viewers.pop()
            if self._viewers
            else Viewer(parts.hostname or "", parts.port or 80, self._ground.cookie)
        )
        try:
            answer = await viewer.get(next(self._paths[kind]), Accept="text/html")
        except BaseException:
            viewer.close()
            raise
        self._viewers.append(viewer)
        if answer.status != 200:
            raise Failed(answer.status, _said(answer.body))

    async def _upload(self) -> None:
        """Announces, sends and commits one segment."""
        agent, number = self._ground.honest_agent, next(self._sequence)
        manifest, content = segment(
            agent,
            number,
            camera=number % len(agent.camera_ids),
            fragments=FRAGMENTS,
            fragment_bytes=FRAGMENT_BYTES,
        )
        client = Client(self._ground.address, HONEST_ADDRESS)
        answer = await self._call(client, "intent", IntentRequest(manifests=(manifest,)))
        (target,) = decode(answer.body, IntentAnswer).answers
        if not isinstance(target, PutTarget):
            raise Failed("intent", target)
        answer = await client.ask("PUT", target.url, target.headers, body=content)
        if answer.status >= 300:
            raise Failed("put", answer.status, answer.body[:200])
        item = CommitItem(
            segment_id=manifest.segment_id, size_bytes=manifest.size_bytes, sha256=manifest.sha256
        )
        answer = await self._call(client, "commit", CommitRequest(items=(item,)))
        (result,) = decode(answer.body, CommitAnswer).answers
        if not isinstance(result, AlreadyCommitted):
            raise Failed("commit", result)
        client.close()

    async def _call(self, client: Client, path: str, body: object) -> Answer:
        headers = {"Authorization": self._agent_client.authorization()}
        answer = await client.ask("POST", f"/agent/v1/{path}", headers, body=encode(body))
        if answer.status != 200:
            raise Failed(path, answer.status, answer.body[:200])
        return answer

    async def _sample(self, memory: list[int], held: list[int], sockets: list[int]) -> None:
        while True:
            memory.append(self._web.memory_info().rss)
            files, open_sockets = await asyncio.to_thread(_descriptors, self._web.pid)
            held.append(files)
            sockets.append(open_sockets)
            await asyncio.sleep(SAMPLE_S)


def _said(body: bytes) -> str:
    """Returns the text of a page or a problem, shortened."""
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    text = body.decode("utf-8", "replace").partition("<main")[2] or body.decode("utf-8", "replace")
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())[:300]


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
