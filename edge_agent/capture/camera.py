"""Supervision of one camera: connects, reads, detects freezes, and retries for ever."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial

from edge_agent.async_wait import call_soon
from edge_agent.capture.feed import Feed, RunClock
from edge_agent.capture.reader import Reader
from edge_agent.capture.status_board import StatusBoard
from edge_agent.settings import Settings
from edge_agent.sources.factory import OpenTail, Unseal, build_source, no_tail_key
from edge_agent.sources.source import Source
from shared.kernel.backoff import Backoff
from shared.kernel.clock import Clock
from shared.kernel.logs import FailureLog
from shared.kernel.redact import redact
from shared.protocol.config import CameraConfig
from shared.protocol.status import CameraError, CameraState

log = logging.getLogger(__name__)

SILENCE_S = 8.0
"""A camera without packets for this long is frozen, even if its connection is open."""
OPEN_TIMEOUT_S = 20.0
LOOK_EVERY_S = 0.5
STEADY_S = 10.0
"""A connection that lasted this long was stable: the backoff starts again."""
ALARM_AFTER_FAILURES = 10
HANGING_MOST = 3
"""A thread that hangs in a read cannot be ended; one camera may leave at most this many behind."""


class Camera:
    """Keeps one configured camera connected and its status current; its packets go to the subscribers of `feed`.

    `run` is a task of the event loop. Each connection has its own reader thread; the loop only starts it, checks it twice a
    second, and counts failures. `config` is fixed: a changed source is a new `Camera`.
    """

    def __init__(
        self,
        config: CameraConfig,
        *,
        unseal: Unseal,
        open_tail: OpenTail = no_tail_key,
        settings: Settings,
        board: StatusBoard,
        clock: Clock,
        run_clock: Callable[[], RunClock],
        make_source: Callable[[], Source] | None = None,
    ) -> None:
        """Args:
        config: the camera.
        unseal: opens its credentials; they are in memory while a connection stands, for cameras ask again and again.
        open_tail: opens the secret end of its address.
        settings: the agent's own rules: media list and allowed networks.
        board: where its `CameraStatus` is kept.
        clock: for waits and readings.
        run_clock: makes the clock map of a new run (`sync.clock_map.ClockMap`).
        make_source: makes the source of a connection, in the reader's thread; None: as configured.
        """
        self.config = config
        self.feed = Feed()
        self._make_source = make_source or partial(
            build_source, config, unseal=unseal, open_tail=open_tail, settings=settings, clock=clock
        )
        self._board = board
        self._clock = clock
        self._run_clock = run_clock
        self._backoff = Backoff(1, 30)
        self._failures = FailureLog(log, "the camera delivers no pictures")
        self._failed_in_row = 0
        self._hanging: list[Reader] = []

    async def run(self) -> None:
        """Reads the camera until cancelled; no fault of the camera raises."""
        try:
            while True:
                error, detail, steady = await self._run_once()
                if steady:
                    self._backoff.reset()
                    self._failed_in_row = 0
                self._note_failure(error, detail)
                await asyncio.sleep(self._backoff.next_wait_s())
                self._board.update_camera(self.config.id, state=CameraState.CONNECTING)
        finally:
            self._board.remove_camera(self.config.id)

    async def _run_once(self) -> tuple[CameraError, str, bool]:
        """Reads one connection to its end; returns why it ended and whether it was stable."""
        self._board.update_camera(self.config.id, state=CameraState.CONNECTING)
        self._hanging = [reader for reader in self._hanging if not reader.ended]
        if len(self._hanging) >= HANGING_MOST:
            return CameraError.TIMED_OUT, "its old connections hang", False
        reader = Reader(self._make_source, self.feed, clock=self._clock, run_clock=self._run_clock)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        # A reader that hangs in a read may outlive the loop.
        reader.start(partial(call_soon, loop, ended.set), name=f"camera-{str(self.config.id)[-8:]}")
        started_ns = self._clock.monotonic_ns()
        try:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), LOOK_EVERY_S)
                if self._is_frozen(reader, started_ns):
                    reader.abandon(CameraError.TIMED_OUT, "no packet for several seconds")
                    break
                self._update_board(reader)
        finally:
            reader.stop()
            self._hanging.append(reader)
        error, detail = reader.outcome
        return error, detail, reader.lasted_s() >= STEADY_S

    def _is_frozen(self, reader: Reader, started_ns: int) -> bool:
        now_ns = self._clock.monotonic_ns()
        if reader.info is None:
            return now_ns - started_ns > OPEN_TIMEOUT_S * 1e9
        return now_ns - reader.last_arrival_ns > SILENCE_S * 1e9

    def _update_board(self, reader: Reader) -> None:
        if reader.info is None:
            return
        self._failures.recovered(camera_id=str(self.config.id))
        self._board.update_camera(
            self.config.id,
            state=CameraState.CONNECTED,
            error=None,
            error_detail=reader.audio_problem(),
            failures_in_row=0,
            video=reader.video_format(),
            audio=reader.audio_format(),
            clock=reader.clock_estimate(),
            fps=reader.rates.fps,
            bits_per_s=reader.rates.bits_per_s,
        )
        if dropped := reader.take_dropped():
            log.warning("packets dropped", extra={"camera_id": str(self.config.id), "packets": dropped})
            self._board.count_dropped(self.config.id, dropped)

    def _note_failure(self, error: CameraError, detail: str) -> None:
        self._failed_in_row += 1
        detail = redact(detail)[:300]
        self._failures.failed(camera_id=str(self.config.id), error=str(error), detail=detail)
        if self._failed_in_row == ALARM_AFTER_FAILURES:
            log.error("the camera has failed ten times in a row", extra={"camera_id": str(self.config.id)})
        self._board.update_camera(
            self.config.id,
            state=CameraState.RETRYING,
            error=error,
            error_detail=detail,
            failures_in_row=self._failed_in_row,
            clock=None,
            fps=0.0,
            bits_per_s=0,
        )
