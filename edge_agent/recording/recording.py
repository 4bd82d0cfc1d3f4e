"""One recording order: all cameras of the room, from start to stop."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from edge_agent.async_wait import call_soon
from edge_agent.capture.camera import Camera
from edge_agent.capture.feed import Feed
from edge_agent.capture.status_board import StatusBoard
from edge_agent.recording.recorder import TrackRecorder
from edge_agent.spool.spool import Spool
from shared.protocol.config import RecipientKey, RecordingOrder
from shared.protocol.ids import CameraId
from shared.protocol.status import RecordingState, RecordingStatus

WARM_UP = timedelta(seconds=10)
"""How long before its start an order subscribes to its cameras."""


class Recording:
    """Records one class from all cameras of its room.

    `core` makes one for each order of the configuration. `run` waits for `start_at` by the spool's clock, records until
    `stop_at`, and returns when every track is complete. After a restart an order resumes; a finished one returns at once.
    Cancelling `run` closes the open segments and leaves the rest to the next start (the agent stops, or the order was
    withdrawn). All methods belong to the event loop.
    """

    def __init__(
        self,
        order: RecordingOrder,
        *,
        spool: Spool,
        recipient: RecipientKey,
        board: StatusBoard,
        cameras: Mapping[CameraId, Camera],
    ) -> None:
        """Args:
        order: what to record.
        spool: where segments go; its clock says when it is time.
        recipient: to whom content keys are sealed.
        board: counts closed segments per camera and announces changes of state.
        cameras: the cameras of the order's room, which run independently.
        """
        self.order = order
        self._spool = spool
        self._recipient = recipient
        self._board = board
        self._cameras = dict(cameras)
        self._tracks: dict[CameraId, TrackRecorder] = {}
        self._changed = asyncio.Event()
        self._running = 0
        self._done = False

    def set_order(self, order: RecordingOrder) -> None:
        """Replaces the order by a changed one of the same class; a recording is stopped this way."""
        self.order = order
        for track in self._tracks.values():
            track.set_order(order)
        self._changed.set()

    def set_recipient(self, recipient: RecipientKey) -> None:
        """Seals content keys to another key, from the next segment on."""
        self._recipient = recipient
        for track in self._tracks.values():
            track.set_recipient(recipient)

    def set_cameras(self, cameras: Mapping[CameraId, Camera]) -> None:
        """Replaces the room's cameras. A new `Camera` with a known id continues the same track."""
        self._cameras = dict(cameras)
        self._changed.set()

    async def run(self) -> None:
        """Records to the end of the order."""
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._spool.track_class, self.order.class_session_id)
        try:
            while not self._done:
                self._changed.clear()
                if self._is_time():
                    await self._follow_cameras(loop)
                self._done = self._is_complete()
                if not self._done:
                    await self._wait()
        finally:
            for track in self._tracks.values():
                track.stop()
            while self._running:
                self._changed.clear()
                await asyncio.shield(self._changed.wait())
        self._board.notify()

    def _is_time(self) -> bool:
        return self._spool.now() >= self.order.start_at - WARM_UP

    def _is_complete(self) -> bool:
        stop_at = self.order.stop_at
        if not self._tracks:
            return stop_at is not None and self._spool.now() >= stop_at
        return self._running == 0 and all(track.finished for track in self._tracks.values())

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _follow_cameras(self, loop: asyncio.AbstractEventLoop) -> None:
        stop_at = self.order.stop_at
        over = stop_at is not None and self._spool.now() >= stop_at
        for camera_id, camera in tuple(self._cameras.items()):
            track = self._tracks.get(camera_id)
            if track is None and not (over and self._tracks):
                await self._begin_track(camera_id, camera.feed, loop)
            elif track is not None and not (track.alive or track.finished):
                # Its thread failed. What it wrote is closed, or is recovered at the next start; a new thread continues.
                await self._begin_track(camera_id, camera.feed, loop)
            elif track is not None:
                track.set_feed(camera.feed)
        for camera_id in self._tracks.keys() - self._cameras.keys():
            self._tracks[camera_id].set_feed(None)

    async def _begin_track(self, camera_id: CameraId, feed: Feed, loop: asyncio.AbstractEventLoop) -> None:
        # In a thread: the constructor reads the track's progress from the disk.
        track = await asyncio.to_thread(
            TrackRecorder,
            self.order,
            camera_id,
            feed=feed,
            spool=self._spool,
            recipient=self._recipient,
            board=self._board,
        )
        track.set_order(self.order)
        track.set_recipient(self._recipient)
        self._tracks[camera_id] = track
        if not track.finished:
            self._running += 1
            # A recorder that a second cancellation left behind may outlive the loop.
            track.start(partial(call_soon, loop, self._on_track_end))

    def _on_track_end(self) -> None:
        self._running -= 1
        self._changed.set()

    @property
    def state(self) -> RecordingState:
        """How far this order is, without asking the disk."""
        if self._done:
            return RecordingState.FINISHED
        begun = any(track.first_picture_at is not None for track in self._tracks.values())
        return RecordingState.RECORDING if begun else RecordingState.WAITING

    def status(self) -> RecordingStatus:
        """Returns how far this order is. Any time, also before `run` and after it."""
        tracks = self._tracks.values()
        begun = [track.first_picture_at for track in tracks if track.first_picture_at is not None]
        return RecordingStatus(
            class_session_id=self.order.class_session_id,
            state=self.state,
            cameras_recording=sum(track.recording for track in tracks),
            first_picture_at=min(begun) if begun else None,
            tally=self._spool.tally(self.order.class_session_id),
        )
