"""The Valkey subscription of this process: wakes the agent links that an announcement concerns."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import msgspec
import redis.asyncio as redis
from django.conf import settings

from control_plane.fleet.announcements import CHANNEL, Announcement
from shared.kernel.backoff import Backoff
from shared.kernel.logs import FailureLog

log = logging.getLogger(__name__)

Listener = Callable[[Announcement | None], None]
"""Called with an announcement; with None if some may have been missed: read everything again."""


class Subscriber:
    """Runs in one event loop while it has listeners. `is_disconnected` is true while Valkey does not answer."""

    def __init__(self) -> None:
        self._listeners: defaultdict[UUID, set[Listener]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._failures = FailureLog(log, "the gateway receives no announcements")
        self.is_disconnected = True

    @contextlib.asynccontextmanager
    async def listening(self, agent_id: UUID, listener: Listener) -> AsyncIterator[None]:
        """Calls `listener` for announcements of one agent until the block ends."""
        self._listeners[agent_id].add(listener)
        if self._task is None:
            # Keep a reference, or the event loop lets the task be collected.
            self._task = asyncio.create_task(self._run(), name="fleet-hub")
        try:
            yield
        finally:
            self._listeners[agent_id].discard(listener)
            if not self._listeners[agent_id]:
                del self._listeners[agent_id]
            if not self._listeners and self._task is not None:
                task, self._task = self._task, None
                while not task.done():
                    # Repeatedly: redis-py swallows a cancellation that arrives while it reconnects.
                    task.cancel()
                    await asyncio.wait({task}, timeout=0.5)

    async def _run(self) -> None:
        backoff = Backoff(0.5, 10.0)
        # Not an endless loop: redis-py may turn a cancellation into an error of its own, so the task checks its identity.
        while self._task is asyncio.current_task():
            try:
                await self._listen(backoff)
            except (redis.RedisError, OSError) as error:
                if self._task is not asyncio.current_task():
                    return
                self._failures.failed(error=type(error).__name__)
            finally:
                self.is_disconnected = True
            self._wake_all()
            await asyncio.sleep(backoff.next_wait_s())

    async def _listen(self, backoff: Backoff) -> None:
        client = redis.Redis.from_url(
            settings.VALKEY_URL, socket_connect_timeout=3.0, health_check_interval=15
        )
        async with client, client.pubsub() as pubsub:
            await pubsub.subscribe(CHANNEL)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    self.is_disconnected = False
                    backoff.reset()
                    self._failures.recovered()
                    # Announcements published while disconnected are lost, so every listener reads the database.
                    self._wake_all()
                elif message["type"] == "message":
                    self._on_announcement(message["data"])

    def _on_announcement(self, data: bytes) -> None:
        try:
            announcement = msgspec.json.decode(data, type=Announcement)
        except msgspec.DecodeError:
            log.warning("invalid announcement ignored")
            return
        for listener in tuple(self._listeners.get(announcement.agent_id, ())):
            listener(announcement)

    def _wake_all(self) -> None:
        for listeners in tuple(self._listeners.values()):
            for listener in tuple(listeners):
                listener(None)
