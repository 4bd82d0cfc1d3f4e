"""A replicator between a spool and a control plane, all in memory, in time that a test lets pass."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.upload.replicator import CONNECTIONS, Replicator
from edge_agent.upload.upload_window import WindowGate
from shared.kernel.clock import FakeClock
from shared.protocol.ids import ClassSessionId, new_id
from tests.edge_agent.upload.rig import DirectClient, MemorySpool
from tests.rigs.control_plane import ControlPlane
from tests.rigs.pacer import Pacer

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING, OLD = ClassSessionId(new_id()), ClassSessionId(new_id())


class Uploads:
    """A replicator between a spool and a control plane, all in memory."""

    def __init__(self, folder: Path, *, connections: int = CONNECTIONS, at: datetime = NEW_YEAR) -> None:
        self.pacer = Pacer(FakeClock(at))
        self.plane = ControlPlane(clock=self.pacer.clock)
        self.spool = MemorySpool(folder)
        self.running: Collection[ClassSessionId] = ()
        self.revoked: list[str] = []
        self.client = DirectClient(self.plane)
        self.filled = 0.0
        self.gate = WindowGate(self.pacer.clock.now, lambda: self.filled, sleep=self.pacer.sleep)
        self.replicator = Replicator(
            self.client,
            self.spool,
            self.pacer.clock,
            running=lambda: self.running,
            revoked=self.revoked.append,
            gate=self.gate,
            connections=connections,
            sleep=self.pacer.sleep,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["Uploads"]:
        task = asyncio.create_task(self.replicator.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def has_arrived(self, count: int) -> bool:
        """Returns whether so many segments lie in the store."""
        return len(self.plane.order) >= count

    async def until(self, condition: Callable[[], Any]) -> None:
        await self.pacer.advance_until(condition, step_s=1)

    async def until_home(self) -> None:
        """Returns once nothing is pending, and checks that everything lies there as it is on the disk."""
        await self.until(lambda: self.spool.is_empty() and self.spool.settled >= self.spool.gaps.keys())
        for segment_id in self.spool.committed:
            manifest = self.spool.segments[segment_id]
            assert self.plane.objects[str(segment_id)].body == self.spool.path(manifest).read_bytes()
            assert segment_id in self.plane.committed
