"""The agent's half: downloads a newer release, requests it from root when no class is near, and confirms the new version.

The installing half trusts nothing of it; all it can do is request.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from edge_agent.api import ControlPlaneApi
from edge_agent.async_wait import Sleep
from edge_agent.errors import ReleaseRefused, ServerError
from edge_agent.files import FILES, Files
from edge_agent.update.handover import FOLDER, HEARD, METADATA, PACKAGE, REQUEST, Outcome, read_outcome
from edge_agent.update.packages import is_newer
from edge_agent.update.trust import Trust
from shared.kernel.backoff import Backoff
from shared.kernel.logs import FailureLog
from shared.protocol.config import AgentBody
from shared.protocol.status import RecordingState, RecordingStatus

log = logging.getLogger(__name__)

FIRST_S = 120.0
"""Latest time of the first check; random, so that agents that start together do not check together."""
RECORD_VARIABLE = "THREEDANCE_AGENT_RECORD"
SAID_LIMIT = 600
"""Length limit of the wire."""
LOOK_S = 6 * 3600.0
JITTER = 0.25
QUIET_S = 60.0
QUIET_TRIES = 24 * 60
ANSWER_S = 900.0
"""How long to wait for root's outcome; a successful update restarts the agent meanwhile."""
NEAR = timedelta(minutes=15)
"""Longer than an update that is rolled back after its five minutes."""


class Updater:
    """One task of the agent; the blocking parts run in a thread. Used by one event loop."""

    def __init__(
        self,
        state: Path,
        record: Path,
        trust: Trust,
        api: ControlPlaneApi,
        *,
        version: str,
        heartbeat: Callable[[], Awaitable[None]],
        is_allowed: Callable[[], bool],
        is_idle: Callable[[], bool],
        throttle: Callable[[int], Awaitable[None]],
        files: Files = FILES,
        sleep: Sleep = asyncio.sleep,
        rng: random.Random | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Args:
        state: the agent's state folder.
        record: root's folder, where the agent reads how updates ended.
        trust: whose releases are accepted.
        api: the control plane.
        version: the running version.
        heartbeat: returns once the control plane has answered a heartbeat, raises ServerError if it does not.
        is_allowed: whether the settings allow updates.
        is_idle: whether no class is near.
        throttle: returns when so many bytes may have come down the line.
        files: the file system.
        sleep: waits so many seconds.
        rng: where jitter comes from.
        now_s: the clock of the machine, by which root's half counts too, in seconds since 1970.
        """
        self._now_s = now_s
        self._folder = state / FOLDER
        self._record = record
        self._trust = trust
        self._api = api
        self._version = version
        self._heartbeat = heartbeat
        self._is_allowed = is_allowed
        self._is_idle = is_idle
        self._throttle = throttle
        self._files = files
        self._sleep = sleep
        self._rng = rng or random.SystemRandom()
        self._failures = FailureLog(log, "checking for a newer version fails")

    def last_outcome(self) -> Outcome | None:
        """Returns how the last update ended; None if there was none."""
        return read_outcome(self._record)

    def summary(self) -> str:
        """Returns how the last update ended, in one line; empty if there was none."""
        last = self.last_outcome()
        return last.summary[:SAID_LIMIT] if last is not None else ""

    async def run(self) -> None:
        """Confirms the running version, then checks for newer ones until cancelled."""
        await self.confirm_running()
        await self._sleep(self._rng.uniform(0, FIRST_S))
        while True:
            try:
                await self.check_once()
            except (ServerError, ReleaseRefused, OSError) as error:
                self._failures.failed(error=str(error))
            else:
                self._failures.recovered()
            await self._sleep(LOOK_S * self._rng.uniform(1 - JITTER, 1 + JITTER))

    async def confirm_running(self) -> None:
        """Returns once a heartbeat of this version was answered and the confirmation file for root is written."""
        backoff = Backoff(1, 30)
        while True:
            try:
                await self._heartbeat()
                await asyncio.to_thread(self._write, HEARD, self._version)
            except (ServerError, OSError) as error:
                log.info("this version is not confirmed yet", extra={"error": str(error)})
            else:
                return
            await self._sleep(backoff.next_wait_s())

    async def check_once(self) -> None:
        """Checks once: downloads a newer release and requests it.

        Raises:
            ServerError: the check or the download failed.
            ReleaseRefused: the release is not trustworthy.
            OSError: the disk refuses the file.
        """
        if not self._is_allowed():
            return
        version = await asyncio.to_thread(self._download, asyncio.get_running_loop())
        if version:
            await self._request(version)

    def _download(self, loop: asyncio.AbstractEventLoop) -> str:
        # Imported on use: tuf costs a third of a second and 12 MB, which a starting agent needs for its cameras.
        from edge_agent.update.download import RangeFetcher
        from edge_agent.update.release import Releases

        metadata = self._folder / METADATA
        self._files.ensure_folder(metadata)
        releases = Releases(self._trust, metadata, RangeFetcher(self._api, loop, throttle=self._throttle))
        release = releases.newest()
        if release is None or not is_newer(release.version, than=self._version):
            self._files.discard(self._folder / PACKAGE)
            return ""
        last = self.last_outcome()
        if last is not None and not last.may_be_tried(release.version, self._now_s()):
            return ""
        releases.fetch(release, self._folder / PACKAGE)
        log.info("a newer version was downloaded", extra={"version": release.version})
        return release.version

    async def _request(self, version: str) -> None:
        """Requests the update once no class is near and the control plane answers, which is needed to confirm it."""
        before = self.last_outcome()
        for _ in range(QUIET_TRIES):
            if not self._is_allowed():
                return
            if self._is_idle() and await self._is_reachable():
                await asyncio.to_thread(self._write, REQUEST, version)
                log.info("an update is requested", extra={"version": version})
                break
            await self._sleep(QUIET_S)
        for _ in range(int(ANSWER_S / QUIET_S)):
            await self._sleep(QUIET_S)
            if (last := self.last_outcome()) != before and last is not None:
                log.info("an update has ended", extra={"said": last.summary})
                return

    async def _is_reachable(self) -> bool:
        try:
            await self._heartbeat()
        except ServerError:
            return False
        return True

    def _write(self, name: str, text: str) -> None:
        self._files.ensure_folder(self._folder)
        self._files.write(self._folder / name, f"{text}\n".encode("ascii"))


def make_updater(state: Path, api: ControlPlaneApi, **given: Any) -> Updater | None:
    """Returns an updater if the installed package has release keys, else None."""
    trust, record = Trust.of_this_package(), os.environ.get(RECORD_VARIABLE)
    return Updater(state, Path(record), trust, api, **given) if trust and record else None


def is_maintenance_time(
    body: AgentBody | None, recordings: Iterable[RecordingStatus], now_at: datetime
) -> bool:
    """Returns whether no class is recorded at `now_at`, and none begins within `NEAR`."""
    if any(recording.state is RecordingState.RECORDING for recording in recordings):
        return False
    orders = body.recordings if body is not None else ()
    return not any(
        order.start_at <= now_at + NEAR and (order.stop_at is None or order.stop_at > now_at)
        for order in orders
    )
