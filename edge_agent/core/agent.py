"""The composition root: builds the agent from a state folder, runs its tasks in one group, and shuts them down in order."""

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from pathlib import Path

from edge_agent.api import ControlPlaneApi
from edge_agent.async_wait import call_soon
from edge_agent.capture.camera import Camera
from edge_agent.capture.status_board import StatusBoard
from edge_agent.control.config_store import ConfigStore
from edge_agent.control.identity import Identity, IdentityFolder
from edge_agent.control.link import Link
from edge_agent.control.polling import REPORT_PATH
from edge_agent.control.session import ConfigFilter
from edge_agent.core.cameras import Cameras
from edge_agent.core.config_applier import ConfigApplier
from edge_agent.core.recordings import Recordings
from edge_agent.core.supervision import keep_running
from edge_agent.core.watchdog import Watchdog
from edge_agent.errors import RevocationInvalid, SettingsInvalid
from edge_agent.http import HttpClient, trust
from edge_agent.local.status_socket import LocalCamera, LocalStatus, serve_status
from edge_agent.recording.recording import Recording
from edge_agent.settings import Settings, load_settings
from edge_agent.spool.async_spool import AsyncSpool
from edge_agent.spool.requeue import requeue_segments
from edge_agent.spool.scrub import Scrubber
from edge_agent.spool.spool import Spool
from edge_agent.sync.clock_map import ClockMap
from edge_agent.sync.server_time import ServerTimePoller
from edge_agent.sync.utc_reference import UtcReference
from edge_agent.update.updater import is_maintenance_time, make_updater
from edge_agent.upload.http_upload_client import HttpUploadClient
from edge_agent.upload.replicator import CONNECTIONS, Replicator
from edge_agent.upload.throttle import Throttle
from edge_agent.upload.upload_window import WindowGate
from shared import __version__
from shared.kernel.clock import Clock, ServerClock
from shared.protocol.config import (
    AgentConfig,
    CameraConfig,
    FileSource,
    RecipientKey,
    RecordingOrder,
    Source,
    UploadPolicy,
)
from shared.protocol.ids import CameraId, SegmentId
from shared.protocol.messages import Heartbeat, SendingAgain
from shared.protocol.status import AgentStatus, Reported
from shared.protocol.upload import TrackTally

log = logging.getLogger(__name__)

CLEAN_S = 30.0
SCRUB_S = 60.0
WATCH_S = 5.0
SETTINGS_S = 2.0
STATES_S = 0.5
FAREWELL_S = 5.0
"""How long a stopping agent uploads its last segments."""


class Outcome(Enum):
    """Why the agent ended."""

    STOPPED = auto()
    REVOKED = auto()


class Agent:
    """One agent on one state folder, which the spool's lock file reserves for it. `run` may be called once.

    Everything runs on one event loop, except the threads that read cameras, mux segments and wait for the disk.
    """

    def __init__(
        self,
        state: Path,
        *,
        identity: Identity,
        settings: Settings,
        clock: Clock,
        spool: Spool,
        server_clock: ServerClock,
    ) -> None:
        """Args:
        state: the state folder.
        identity: the agent's identity.
        settings: the agent's own rules.
        clock: the machine's clocks.
        spool: the local buffer, opened with `server_clock`; the caller closes it.
        server_clock: the server's time.
        """
        self._state = state
        self._identity = identity
        self._settings = settings
        self._system_clock = clock
        self._server_clock = server_clock
        self._spool = spool
        self._async_spool = AsyncSpool(spool)
        spool.set_settings(settings.spool)
        self._utc_reference = UtcReference(server_clock)
        self._board = StatusBoard()
        self._watchdog = Watchdog()
        self._config_store = ConfigStore(state / "config", identity.pairing.answer.agent_id)
        self._stop = asyncio.Event()
        self._outcome = Outcome.STOPPED
        self._started_at = clock.now()
        self._started_ns = clock.monotonic_ns()
        self.on_status: Callable[[LocalStatus], None] | None = None
        """Called with the status twice a second while the agent runs. Set it before `run`."""

    def stop(self) -> None:
        """Makes `run` end. To be called from the event loop."""
        self._stop.set()

    async def run(self) -> Outcome:
        """Runs until `stop` or a revocation; leaves everything closed and durable."""
        await asyncio.to_thread(self._config_store.load)
        tls = trust()
        async with (
            HttpClient(connections=CONNECTIONS + 2, verify=tls) as server_http,
            HttpClient(connections=CONNECTIONS, verify=tls) as store_http,
            asyncio.TaskGroup() as group,
        ):
            self._build(group, server_http, store_http)
            async with serve_status(self._state, self.local_status):
                background = self._start(group)
                log.info("the agent runs", extra={"agent": str(self._identity.pairing.answer.agent_id)})
                await self._stop.wait()
                await self._shut_down()
                await self._link.close_stopped()
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
        self._async_spool.close()
        log.info("the agent has stopped", extra={"outcome": self._outcome.name.lower()})
        return self._outcome

    def _build(self, group: asyncio.TaskGroup, server_http: HttpClient, store_http: HttpClient) -> None:
        identity, server_clock = self._identity, self._server_clock
        answer = identity.pairing.answer
        api = ControlPlaneApi(
            server_http, identity.address, server_clock, lambda: identity.token(server_clock.newest)
        )
        self._throttle = Throttle(self._system_clock)
        self._gate = WindowGate(
            lambda: server_clock.now() if server_clock.has_time else None,
            self._spool.backlog_ratio,
            sleep=asyncio.sleep,
        )
        self._cameras = Cameras(group, self._make_camera)
        self._recordings = Recordings(group, self._make_recording, self._cameras.in_room)
        self._replicator = Replicator(
            HttpUploadClient(api, store_http, self._throttle),
            self._async_spool,
            server_clock,
            running=self._recordings.running,
            revoked=self.revoke,
            gate=self._gate,
        )
        self._updater = make_updater(
            self._state,
            api,
            version=__version__,
            # By HTTP: the websocket's heartbeats are not answered.
            heartbeat=lambda: api.post_for_nothing(REPORT_PATH, Heartbeat(status=self.status())),
            is_allowed=lambda: self._settings.update.automatic,
            is_idle=self._is_idle,
            throttle=self._throttle.take,
        )
        config_filter = ConfigFilter(answer.agent_id, answer.studio_id, self._config_store.newest)
        self._link = Link(
            identity=identity, api=api, clock=server_clock, agent=self, config_filter=config_filter
        )
        self._server_time_poller = ServerTimePoller(api, server_clock)
        self._config_applier = ConfigApplier(
            store=self._config_store,
            cameras=self._cameras,
            recordings=self._recordings,
            board=self._board,
            clock=self._system_clock,
            set_upload=self._set_upload,
            set_spool=self._spool.set_policy,
            reported=self._link.report_config,
        )

    def _start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        loop = asyncio.get_running_loop()
        self._board.on_change(lambda: call_soon(loop, self._link.report_status))
        self._spool.on_change(lambda: call_soon(loop, self._replicator.wake))
        tasks: dict[str, Callable[[], Awaitable[None]]] = {
            "desired": self._run_config_applier,
            "link": self._link.run,
            "time": self._server_time_poller.run,
            "uploads": self._replicator.run,
            "line": self._watch_link,
            "states": self._watch_states,
            "watchdog": self._watch_segments,
            "cleaner": self._clean,
            "scrub": self._scrub,
            "settings": self._watch_settings,
        }
        if self.on_status is not None:
            tasks["show"] = partial(self._show_status, self.on_status)
        if self._updater is not None:
            tasks["updates"] = self._updater.run
        return [group.create_task(keep_running(name, run), name=name) for name, run in tasks.items()]

    async def _shut_down(self) -> None:
        """Stops recordings, then cameras, then uploads for up to `FAREWELL_S`: every open segment is closed first."""
        await self._recordings.stop_all()
        await self._cameras.stop_all()
        if self._outcome is Outcome.REVOKED:
            return
        # Ends all waits, so that the last segments are tried at once.
        self._replicator.network_restored()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S if self._link.is_up else 0):
                await self._replicator.drained()

    # Factories.

    def _make_camera(self, config: CameraConfig) -> Camera:
        return Camera(
            config,
            unseal=self._identity.open_credentials,
            open_tail=self._identity.open_tail,
            settings=self._settings,
            board=self._board,
            clock=self._system_clock,
            run_clock=lambda: self._clock_map(config),
        )

    def _clock_map(self, config: CameraConfig) -> ClockMap:
        # A new measured delay applies from the next run on: it must not shift dates within a run.
        return ClockMap(self._utc_reference, offset_us=self._cameras.configs.get(config.id, config).offset_us)

    def _make_recording(
        self, order: RecordingOrder, recipient: RecipientKey, cameras: Mapping[CameraId, Camera]
    ) -> Recording:
        return Recording(order, spool=self._spool, recipient=recipient, board=self._board, cameras=cameras)

    def _is_idle(self) -> bool:
        """Returns whether an update may begin: no configuration is on trial, and no class is near."""
        if self._config_store.candidate is not None:
            return False
        body = self._config_store.applied.body if self._config_store.applied else None
        return is_maintenance_time(body, self._recordings.statuses(), self._server_clock.now())

    def _set_upload(self, policy: UploadPolicy) -> None:
        self._throttle.set_ceiling(policy.max_bytes_per_s)
        self._gate.set_window(policy.window)

    # `control.agent_port.AgentPort`.

    def reported(self) -> Reported:
        """Returns which configuration is in force."""
        return self._config_store.reported()

    def status(self) -> AgentStatus:
        """Returns the current status."""
        return AgentStatus(
            now_at=self._server_clock.now(),
            uptime_s=(self._system_clock.monotonic_ns() - self._started_ns) / 1e9,
            clock_offset_ms=self._server_clock.offset_s() * 1000,
            cameras=self._board.cameras(),
            recordings=self._recordings.statuses(),
            spool=self._spool.status(),
            upload=self._replicator.status(),
            update=self._updater.summary() if self._updater is not None else "",
        )

    def submit_config(self, config: AgentConfig) -> None:
        """Submits the newest configuration, to be applied."""
        self._config_applier.submit(config)

    def refuse_config(self, version: int | None, error: str) -> None:
        """Records a configuration that must not be applied."""
        self._config_applier.refuse(version, error)

    async def requeue_segments(self, segment_ids: Sequence[SegmentId]) -> SendingAgain | None:
        """Requeues segments that the control plane has lost and the agent still has; None if the disk cannot be read now."""
        try:
            return await asyncio.to_thread(requeue_segments, self._spool, segment_ids)
        except (OSError, sqlite3.Error) as error:
            # No answer: the control plane requests them again at the next link.
            log.error("requested segments cannot be looked up", extra={"error": str(error)})
            return None

    def revoke(self, jwt: str) -> None:
        """Ends this agent if its control plane has signed the revocation; otherwise recording goes on."""
        try:
            revocation = self._identity.verify_revocation(jwt)
        except RevocationInvalid as error:
            log.error("a revocation is not valid; recording goes on", extra={"error": str(error)})
            return
        if self._outcome is not Outcome.REVOKED:
            self._outcome = Outcome.REVOKED
            self._stop.set()
            IdentityFolder(self._state).drop(revocation)

    def local_status(self) -> LocalStatus:
        """Returns what `threedance-agent status` shows."""
        answer = self._identity.pairing.answer
        return LocalStatus(
            pid=os.getpid(),
            agent_version=__version__,
            started_at=self._started_at,
            address=self._identity.address,
            studio_name=answer.studio_name,
            fingerprint=self._identity.keys.fingerprint,
            link_up=self._link.is_up,
            link_error=self._link.last_error,
            link_hint=self._link.last_hint,
            configuration=self.reported(),
            cameras=tuple(
                LocalCamera(camera_id=c.id, room_id=c.room_id, name=c.name, position=c.position)
                for c in self._cameras.configs.values()
            ),
            bytes_sent=self._replicator.bytes_sent,
            clock_error_us=self._server_clock.error_bound_us() if self._server_clock.has_time else None,
            status=self.status(),
        )

    # Loops.

    async def _run_config_applier(self) -> None:
        await self._config_applier.begin()
        await self._config_applier.run()

    async def _watch_link(self) -> None:
        while True:
            await self._link.wait_up()
            self._replicator.network_restored()
            await self._link.wait_down()

    async def _watch_states(self) -> None:
        """Sends a heartbeat immediately on recording or upload window changes, which the portal displays."""
        seen: object = None
        while True:
            recordings = [
                (s.class_session_id, s.state, s.cameras_recording, s.first_picture_at, _is_home(s.tally))
                for s in self._recordings.statuses()
            ]
            states = recordings, self._gate.state()
            if states != seen:
                seen = states
                self._link.report_status()
            await asyncio.sleep(STATES_S)

    async def _show_status(self, show: Callable[[LocalStatus], None]) -> None:
        while True:
            show(self.local_status())
            await asyncio.sleep(STATES_S)

    async def _watch_segments(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            if self._spool.status().full:
                continue  # no segment can be written: the cameras are not the cause
            rooms = self._recordings.rooms()
            recorded = [c.id for c in self._cameras.configs.values() if c.room_id in rooms]
            statuses = {s.camera_id: s for s in self._board.cameras()}
            for camera_id in self._watchdog.stalled(self._server_clock.now(), recorded, statuses):
                log.error("a camera delivers pictures but no segments", extra={"camera_id": str(camera_id)})
                await self._cameras.restart(camera_id)
                self._recordings.cameras_changed()

    async def _watch_settings(self) -> None:
        """Reloads an edited settings file, so that `media add` needs no restart."""
        refused = ""
        while True:
            await asyncio.sleep(SETTINGS_S)
            try:
                settings = await asyncio.to_thread(load_settings, self._state)
            except SettingsInvalid as error:
                if str(error) != refused:
                    log.error("the settings are not valid", extra={"error": str(error)})
                    refused = str(error)
                continue
            if settings == self._settings:
                continue
            old, self._settings = self._settings, settings
            self._spool.set_settings(settings.spool)
            for config in tuple(self._cameras.configs.values()):
                if affects_camera(config.source, old, settings):
                    await self._cameras.restart(config.id)
            self._recordings.cameras_changed()
            log.info("new settings are in force")

    async def _clean(self) -> None:
        while True:
            await asyncio.to_thread(self._spool.clean)
            await asyncio.sleep(CLEAN_S)

    async def _scrub(self) -> None:
        scrubber = Scrubber(self._spool)
        while True:
            await asyncio.sleep(SCRUB_S)
            await asyncio.to_thread(scrubber.scrub_next)


def affects_camera(source: Source, old: Settings, new: Settings) -> bool:
    """Returns whether new settings change how a camera is read."""
    if isinstance(source, FileSource):
        return old.media.get(source.name) != new.media.get(source.name)
    return old.allowed_networks != new.allowed_networks


def _is_home(tally: TrackTally) -> bool:
    return not tally.segments_pending and not tally.gaps_pending
