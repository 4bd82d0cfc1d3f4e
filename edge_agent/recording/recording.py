"""One recording order: every camera of the room, from its start to its stop."""

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

    `core` makes one for each order of the configuration, whatever its times: `run` waits for `start_at` by the spool's
    clock, records until `stop_at`, and returns when nothing more will be cut. An order met again after a restart goes
    on where it was; one that is finished already returns at once. Cancelling `run` closes the open segments and leaves
    the rest for the next start (the agent is going down, or the order was withdrawn). All methods are of the event loop.
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
        board: where closed segments are counted per camera, and who is told of a change of state.
        cameras: the cameras of the order's room; they run on their own.
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
        """Takes a changed order of the same class: this is how a recording is stopped."""
        self.order = order
        for track in self._tracks.values():
            track.set_order(order)
        self._changed.set()

    def set_recipient(self, recipient: RecipientKey) -> None:
        """Seals the keys of segments from the next one on to another key."""
        self._recipient = recipient
        for track in self._tracks.values():
            track.set_recipient(recipient)

    def set_cameras(self, cameras: Mapping[CameraId, Camera]) -> None:
        """Takes the room's cameras as they are now. A new `Camera` under a known id goes on with the same track."""
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
                # Its thread failed: what it had is closed or mended at the next start, the rest goes on.
                await self._begin_track(camera_id, camera.feed, loop)
            elif track is not None:
                track.set_feed(camera.feed)
        for camera_id in self._tracks.keys() - self._cameras.keys():
            self._tracks[camera_id].set_feed(None)

    async def _begin_track(self, camera_id: CameraId, feed: Feed, loop: asyncio.AbstractEventLoop) -> None:
        # It reads back how far the class was: the disk's time is not the event loop's.
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
