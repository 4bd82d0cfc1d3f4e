"""Applies configurations one by one, puts each on trial, and rolls back one that breaks cameras."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import ParamSpec

import msgspec

from edge_agent.capture.status_board import StatusBoard
from edge_agent.control.config_store import ConfigStore
from edge_agent.control.reconcile import (
    ConfigStep,
    DescribeCamera,
    DropRecording,
    ReplaceCamera,
    SetRecipient,
    SetRecording,
    SetSpool,
    SetUpload,
    StartCamera,
    StopCamera,
    reconcile,
    remaining_step,
    touched_cameras,
)
from edge_agent.core.cameras import Cameras
from edge_agent.core.recordings import Recordings
from shared.kernel.clock import Clock
from shared.protocol.config import AgentBody, AgentConfig, SpoolPolicy, UploadPolicy
from shared.protocol.ids import CameraId
from shared.protocol.status import CameraState, CameraStatus

P = ParamSpec("P")

log = logging.getLogger(__name__)

CHECK_S = 1.0
AGAIN_S = 5.0
"""Delay before a failed step is retried."""
GRACE_S = 10.0
"""Longer than the detection of a frozen camera takes."""
TRIAL_S = 60.0


class ConfigApplier:
    """The one task that changes cameras and recordings. `submit` and `refuse` are called from the event loop.

    Only the newest submitted configuration is kept: one that is superseded before its turn is never applied.
    """

    def __init__(
        self,
        *,
        store: ConfigStore,
        cameras: Cameras,
        recordings: Recordings,
        board: StatusBoard,
        clock: Clock,
        set_upload: Callable[[UploadPolicy], None],
        set_spool: Callable[[SpoolPolicy], None],
        reported: Callable[[], None],
    ) -> None:
        self._store = store
        self._cameras = cameras
        self._recordings = recordings
        self._board = board
        self._clock = clock
        self._set_upload = set_upload
        self._set_spool = set_spool
        self._reported = reported
        self._body: AgentBody | None = None
        self._failed_steps: tuple[ConfigStep, ...] = ()
        self._failing_since_ns: int | None = None
        self._trial: ConfigTrial | None = None
        self._desired: AgentConfig | None = None
        self._refused: deque[tuple[int | None, str]] = deque(maxlen=4)
        self._news = asyncio.Event()

    def submit(self, config: AgentConfig) -> None:
        """Takes the newest configuration."""
        self._desired = config
        self._news.set()

    def refuse(self, version: int | None, error: str) -> None:
        """Takes note of one that must not be applied."""
        self._refused.append((version, error))
        self._news.set()

    async def begin(self) -> None:
        """Does what the disk says, without waiting for any control plane."""
        if self._store.applied is not None:
            await self._apply(self._store.applied.body)
        if self._store.candidate is not None:
            await self._begin_trial(self._store.candidate)

    async def run(self) -> None:
        """Applies what comes and judges what is being tried, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._recheck_s()):
                    await self._news.wait()
            except TimeoutError:
                await self.evaluate()
                continue
            self._news.clear()
            while self._refused:
                await self._on_disk(self._store.refuse, *self._refused.popleft())
                self._reported()
            if self._desired is not None:
                config, self._desired = self._desired, None
                self._failing_since_ns = None
                await self._on_disk(self._store.stage, config)
                log.info("a new configuration", extra={"version": config.version})
                await self._begin_trial(config)

    async def _begin_trial(self, config: AgentConfig) -> None:
        before = connected(self._statuses())
        touched_now = touched_cameras(reconcile(self._body, config.body))
        await self._apply(config.body)
        if self._failed_steps:
            await self._keep_failing()
            return
        good = self._store.applied.body if self._store.applied else None
        touched = touched_cameras(reconcile(good, config.body))
        if good is None or not touched:
            # There is nothing to go back to; or it touches no camera and can break none: Record waits for nothing.
            await self._accept()
            return
        witnesses = self._trial.witnesses if self._trial else before
        started_ns = (
            self._clock.monotonic_ns() if touched_now or self._trial is None else self._trial.started_ns
        )
        kept = {camera.id for camera in config.body.cameras} - touched
        self._trial = ConfigTrial(started_ns, witnesses & kept)
        self._reported()

    async def evaluate(self) -> None:
        """Retries failed steps, then checks the candidate once: accepts it, rejects it or keeps waiting."""
        if self._failed_steps and self._body is not None:
            await self._apply(self._body)
            if self._store.candidate is not None:
                await (
                    self._keep_failing() if self._failed_steps else self._begin_trial(self._store.candidate)
                )
            return
        if self._trial is None:
            return
        verdict = self._trial.result(self._clock.monotonic_ns(), self._statuses())
        if verdict is TrialResult.GOOD:
            await self._accept()
        elif verdict is TrialResult.BAD:
            await self._roll_back("no camera that it does not change delivered pictures within 60 s")

    async def _accept(self) -> None:
        self._trial = None
        await self._on_disk(self._store.accept)
        self._reported()

    async def _keep_failing(self) -> None:
        """Keeps a candidate with failing steps as long as a trial lasts, or for ever without anything to roll back to."""
        now_ns = self._clock.monotonic_ns()
        self._trial = None
        self._failing_since_ns = now_ns if self._failing_since_ns is None else self._failing_since_ns
        if self._store.applied is not None and now_ns - self._failing_since_ns >= TRIAL_S * 1e9:
            await self._roll_back("it could not be applied; see the agent's log")
        else:
            self._reported()

    async def _roll_back(self, error: str) -> None:
        self._trial = None
        good, bad = self._store.applied, self._store.candidate
        if good is None or bad is None:
            return
        log.error("a configuration is rolled back", extra={"version": bad.version, "error": error})
        # Orders stay those of the newest: a running class continues, a stopped one stays stopped.
        await self._apply(msgspec.structs.replace(good.body, recordings=bad.body.recordings))
        await self._on_disk(self._store.reject, error)
        self._reported()

    async def _apply(self, body: AgentBody) -> None:
        """Applies the steps to `body` and retries failed ones. A step that fails does not block the others."""
        owed = [step for old in self._failed_steps if (step := remaining_step(old, body)) is not None]
        steps = dict.fromkeys((*owed, *reconcile(self._body, body)))
        self._body, failed = body, []
        for step in steps:
            try:
                await self._apply_step(step)
            except Exception:
                log.exception("a step of a configuration failed", extra={"step": type(step).__name__})
                failed.append(step)
        self._failed_steps = tuple(failed)

    async def _apply_step(self, step: ConfigStep) -> None:
        match step:
            case SetRecipient():
                self._recordings.set_recipient(step.recipient)
            case SetUpload():
                self._set_upload(step.policy)
            case SetSpool():
                self._set_spool(step.policy)
            case DropRecording():
                await self._recordings.drop(step.class_session_id)
            case StopCamera():
                await self._cameras.stop(step.camera_id)
                self._recordings.cameras_changed()
            case StartCamera() | ReplaceCamera():
                await self._cameras.start(step.camera)
                self._recordings.cameras_changed()
            case DescribeCamera():
                self._cameras.describe(step.camera)
                self._recordings.cameras_changed()
            case SetRecording():
                self._recordings.set_order(step.order)

    def _recheck_s(self) -> float | None:
        if self._failed_steps:
            return AGAIN_S
        return CHECK_S if self._trial else None

    async def _on_disk(self, change: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Changes the store. A full disk must not prevent the configuration that frees it."""
        try:
            await asyncio.to_thread(change, *args, **kwargs)
        except OSError as error:
            log.error(
                "the configuration is not on the disk; it holds until a restart", extra={"error": str(error)}
            )

    def _statuses(self) -> dict[CameraId, CameraStatus]:
        return {status.camera_id: status for status in self._board.cameras()}


class TrialResult(Enum):
    """The result of a trial so far."""

    WAIT = auto()
    GOOD = auto()
    BAD = auto()


@dataclass(frozen=True)
class ConfigTrial:
    """The trial of one candidate since `started_ns`.

    `witnesses` are the cameras that it does not change and that delivered pictures before. If none of them does any more,
    the candidate has broken something else. Without witnesses it passes after `GRACE_S`.
    """

    started_ns: int
    witnesses: frozenset[CameraId]

    def result(self, now_ns: int, cameras: Mapping[CameraId, CameraStatus]) -> TrialResult:
        """Returns the result as of `now_ns` (monotonic)."""
        elapsed_s = (now_ns - self.started_ns) / 1e9
        if elapsed_s < GRACE_S:
            return TrialResult.WAIT
        if not self.witnesses or self.witnesses & connected(cameras):
            return TrialResult.GOOD
        return TrialResult.BAD if elapsed_s >= TRIAL_S else TrialResult.WAIT


def connected(cameras: Mapping[CameraId, CameraStatus]) -> frozenset[CameraId]:
    """Returns the connected cameras."""
    return frozenset(i for i, status in cameras.items() if status.state is CameraState.CONNECTED)
