"""Records one class from one camera: packets from start to stop become segments, missing stretches become gaps."""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from edge_agent.capture.feed import Dropped, Feed, Item, RunEnded, RunStarted, Subscription
from edge_agent.capture.status_board import StatusBoard
from edge_agent.errors import SpoolError, SpoolFull
from edge_agent.recording.gap_tracker import TOLERANCE, GapTracker, gap_reason, uncovered_spans
from edge_agent.recording.run_muxer import RunMuxer
from edge_agent.sources.packet import Kind, MediaPacket
from edge_agent.sources.parameter_sets import describe, parameter_sets
from edge_agent.spool.segment_writer import Fragment, SegmentWriter
from edge_agent.spool.spool import Spool
from edge_agent.spool.track_progress import TrackProgress
from edge_agent.spool.wall_clock import ended_at, started_at, utc_of_pts
from shared.kernel.timebase import TICKS_PER_S
from shared.protocol.config import RecipientKey, RecordingOrder
from shared.protocol.ids import CameraId
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.media import ClockEstimate, VideoFormat

log = logging.getLogger(__name__)

SEGMENT_TARGET_90K = 6 * TICKS_PER_S
FRAGMENTS_MOST = 250
"""A manifest holds at most 256."""
TAKE_TIMEOUT_S = 0.5
LATE_PACKETS = timedelta(seconds=2)
"""How long after the stop packets from before it may still arrive."""
GAP_EVERY = timedelta(seconds=30)
"""While a camera is disconnected, or the disk refuses, the growing gap is recorded this often."""


class TrackRecorder:
    """One track of one class, in a thread of its own.

    `start` starts the thread. It subscribes to the camera's feed, waits for the order's start, muxes, encrypts and writes
    until the order's stop, then ends and calls `on_end`. `set_order`,
    `set_recipient`, `set_feed` and `stop` may be called by other threads: each replaces one attribute and wakes the thread.
    `alive`, `recording`, `first_picture_at` and `finished` may be read by any thread.
    """

    def __init__(
        self,
        order: RecordingOrder,
        camera_id: CameraId,
        *,
        feed: Feed | None,
        spool: Spool,
        recipient: RecipientKey,
        board: StatusBoard,
    ) -> None:
        self.camera_id = camera_id
        self.alive = True
        self.recording = False
        self.finished = False
        self.first_picture_at: datetime | None = None
        self._order = order
        self._spool = spool
        self._recipient = recipient
        self._board = board
        self._feed = feed
        self._wanted_feed = feed
        self._stopping = False
        self._subscription: Subscription | None = None
        self._wake = threading.Event()
        progress = spool.progress(order.class_session_id, camera_id)
        segments = spool.index.segments_of(order.class_session_id, camera_id)
        self.finished = progress.finished
        if segments:
            self.first_picture_at = started_at(segments[0])
        resumed = bool(segments) or progress.until_at is not None
        until_at = max(
            [
                order.start_at,
                *(ended_at(m) for m in segments),
                *([progress.until_at] if progress.until_at else []),
            ]
        )
        self._gaps = GapTracker(
            order.class_session_id,
            camera_id,
            until_at=until_at,
            absent_until_at=spool.now(),
            resumed=resumed,
            emit=self._emit_gap,
        )
        self._run = max([progress.run, *(m.run for m in segments)])
        known = [g for g in spool.index.gaps(order.class_session_id) if g.camera_id == camera_id]
        since_at, whole = progress.until_at or order.start_at, not spool.recovered.index_rebuilt
        for from_at, to_at in uncovered_spans(segments, known, since_at=since_at, whole=whole):
            self._gaps.add_missed_gap(from_at, to_at)
        self._audio_decision = progress.sound
        self._has_audio = any(m.audio is not None for m in segments)
        self._source_run: RunStarted | None = None
        self._connected = False
        self._muxer: RunMuxer | None = None
        self._writer: SegmentWriter | None = None
        self._held: list[MediaPacket] = []
        self._started = False
        self._end_pts_90k: int | None = None
        self._blocked = False
        self._format = VideoFormat(codec="h264", codec_string="avc1", width=1, height=1, fps=1.0)

    def start(self, on_end: Callable[[], object]) -> None:
        """Starts the thread."""
        threading.Thread(
            target=self._main, args=(on_end,), name=f"recorder-{str(self.camera_id)[-8:]}", daemon=True
        ).start()

    def set_order(self, order: RecordingOrder) -> None:
        """Replaces the order by a changed one of the same class."""
        self._order = order
        self._wake_up()

    def set_recipient(self, recipient: RecipientKey) -> None:
        """Seals content keys to another key, from the next segment on."""
        self._recipient = recipient

    def set_feed(self, feed: Feed | None) -> None:
        """Continues with another feed of the same camera; None: the camera was removed."""
        self._wanted_feed = feed
        self._wake_up()

    def stop(self) -> None:
        """Ends the thread before the order's stop: closes the open segment, and leaves the track unfinished."""
        self._stopping = True
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()
        if (subscription := self._subscription) is not None:
            subscription.wake()

    def _main(self, on_end: Callable[[], object]) -> None:
        try:
            while not (self.finished or self._stopping):
                self.step(TAKE_TIMEOUT_S)
            if not self.finished:
                self._end_run()
        except (
            Exception
        ):  # a thread's shell: the class goes on with the other cameras, and the fault is on record
            log.exception("recording a track failed unexpectedly", extra={"camera_id": str(self.camera_id)})
            self._close_segment()
        finally:
            self.alive = False
            if self._subscription is not None and self._feed is not None:
                self._feed.unsubscribe(self._subscription)
            self.recording = False
            on_end()

    def step(self, timeout_s: float) -> None:
        """Processes queued items, waiting up to `timeout_s` for them, then checks the schedule. For the thread itself."""
        self._attach()
        items = self._items(timeout_s)
        # Read before writing: on a slow disk more arrives meanwhile, and the stop must be checked as of the items in hand.
        now_at = self._spool.now()
        self._handle_all(items)
        self._check_schedule(now_at)

    def _attach(self) -> None:
        if self._wanted_feed is self._feed and (self._subscription is not None or self._feed is None):
            return
        if self._feed is not None and self._subscription is not None:
            self._handle_all(self._subscription.take(0, last=True))
            self._feed.unsubscribe(self._subscription)
            self._handle(RunEnded(None))
            self._gaps.note_cause(GapReason.CAMERA_OFFLINE, "the camera was reconfigured")
        self._feed = self._wanted_feed
        self._subscription = self._feed.subscribe() if self._feed is not None else None

    def _items(self, timeout_s: float) -> list[Item]:
        if self._subscription is not None:
            return self._subscription.take(timeout_s)
        self._wake.wait(timeout_s)
        self._wake.clear()
        return []

    def _handle_all(self, items: Iterable[Item]) -> None:
        for item in items:
            if self.finished:
                return
            self._handle(item)

    def _handle(self, item: Item) -> None:
        if isinstance(item, MediaPacket):
            self._handle_packet(item)
        elif isinstance(item, RunStarted):
            self._end_run()
            self._source_run, self._connected = item, True
        elif isinstance(item, Dropped):
            self._end_run()
            self._gaps.note_cause(GapReason.PACKETS_DROPPED, f"{item.packets} packets")
        else:
            self._end_run()
            self._connected = False
            if item.error is not None:
                self._gaps.note_cause(gap_reason(item.error), item.detail[:200])
            elif item.detail == "clock_step":
                self._gaps.note_cause(GapReason.CLOCK_STEP)

    def _handle_packet(self, packet: MediaPacket) -> None:
        video = packet.kind is Kind.VIDEO
        if not self._started:
            if not self._wait_for_start(packet):
                return
            self._started = True
            held, self._held = self._held, []
            for earlier in held:
                self._record(earlier)
            return
        stop_at = self._order.stop_at
        if video and stop_at is not None:
            now_at = self._utc(packet.pts_90k)
            if now_at is not None and now_at >= stop_at:
                self._finish()
                return
        self._record(packet)

    def _wait_for_start(self, packet: MediaPacket) -> bool:
        """Holds the current GOP until the class starts, so that recording begins at the key frame before the start."""
        if packet.kind is Kind.VIDEO:
            at = self._utc(packet.pts_90k)
            if packet.keyframe and (at is None or at <= self._order.start_at or not self._held):
                self._held.clear()
                self._held.append(packet)
                return at is not None and at >= self._order.start_at
            if self._held:
                self._held.append(packet)
                return at is not None and at >= self._order.start_at
        elif self._held:
            self._held.append(packet)
        return False

    def _record(self, packet: MediaPacket) -> None:
        if self._muxer is None:
            if not (packet.kind is Kind.VIDEO and packet.keyframe) or self._source_run is None:
                return
            self._muxer = self._begin_run(self._source_run, packet)
        muxer = self._muxer
        for fragment in muxer.push(packet):
            self._store(fragment, muxer)
        if self._audio_decision is None and muxer.decision is not None:
            # Saved at once: after a power cut the next recorder has to declare the same tracks.
            self._audio_decision = muxer.decision
            self._save_progress()
        if muxer.audio is not None:
            self._has_audio |= muxer.audio.has_audio

    def _begin_run(self, source: RunStarted, packet: MediaPacket) -> RunMuxer:
        self._run += 1
        video = source.info.video
        sets = parameter_sets(memoryview(packet.data)[:16384], video.codec) or video.parameter_sets
        picture = describe(sets, video.codec)
        self._format = VideoFormat(
            codec=video.codec,
            codec_string=picture.codec_string if picture else ("avc1" if video.codec == "h264" else "hvc1"),
            width=picture.width if picture else max(1, video.width),
            height=picture.height if picture else max(1, video.height),
            fps=round(video.fps, 3),
        )
        if self.first_picture_at is None:
            self.first_picture_at = self._utc(packet.pts_90k)
        if not self.recording:
            self.recording = True
            self._board.notify()
        if (
            source.info.audio is not None
            and self._audio_decision is not None
            and self._audio_decision.plan is None
        ):
            log.warning(
                "sound is not recorded: the class began without a sound track",
                extra={"camera_id": str(self.camera_id), "codec": source.info.audio.codec},
            )
        return RunMuxer(source.info, self._audio_decision)

    def _end_run(self) -> None:
        """Writes the rest of the run and closes its segment; the next packets start another one."""
        if self._muxer is not None:
            for fragment in self._muxer.finish():
                self._store(fragment, self._muxer)
            self._muxer = None
        self._held.clear()
        self._close_segment()
        if self.recording:
            self.recording = False
            self._board.notify()

    def _store(self, fragment: Fragment, muxer: RunMuxer) -> None:
        clock = self._clock_estimate()
        if clock is None:
            return
        from_at, to_at = _span_of(fragment, clock)
        if not self._write(fragment, clock, muxer):
            # A long refusal is recorded in pieces, so that a kill loses at most `GAP_EVERY` of the record.
            if to_at - self._gaps.until_at >= GAP_EVERY:
                self._gaps.add_gap_until(to_at, GapReason.DISK_ERROR)
                self._save_progress()
            return
        self._gaps.add_fragment(
            from_at, to_at, follows=fragment.pts_90k == self._end_pts_90k, otherwise=self._current_reason()
        )
        self._end_pts_90k = fragment.pts_90k + fragment.duration_90k

    def _write(self, fragment: Fragment, clock: ClockEstimate, muxer: RunMuxer) -> bool:
        writer = self._writer
        if writer is not None and fragment.starts_with_key and writer.first_pts_90k is not None:
            long_enough = fragment.pts_90k - writer.first_pts_90k >= SEGMENT_TARGET_90K
            if long_enough or writer.fragments >= FRAGMENTS_MOST:
                self._close_segment()
        # After a refused write the next durable fragment has to be decodable without the lost one.
        if self._blocked and not fragment.starts_with_key:
            return False
        try:
            self._append(fragment, clock, muxer)
        except SpoolFull:
            self._spool.free_space()
            try:
                self._append(fragment, clock, muxer)
            except SpoolError as error:
                self._note_refusal(error)
                return False
        except SpoolError as error:
            self._note_refusal(error)
            return False
        self._blocked = False
        self._spool.set_full(False)
        return True

    def _append(self, fragment: Fragment, clock: ClockEstimate, muxer: RunMuxer) -> None:
        if self._writer is None:
            self._writer = SegmentWriter(
                self._spool,
                class_session_id=self._order.class_session_id,
                camera_id=self.camera_id,
                run=self._run,
                recipient=self._recipient,
                init=muxer.init,
                video=self._format,
                audio=muxer.audio.format if muxer.audio and self._has_audio else None,
            )
        self._writer.append(fragment, clock)

    def _note_refusal(self, error: SpoolError) -> None:
        full = isinstance(error, SpoolFull)
        self._gaps.note_cause(GapReason.DISK_FULL if full else GapReason.DISK_ERROR, str(error)[:200])
        self._spool.set_full(full)
        self._end_pts_90k = None
        if not self._blocked:
            self._blocked = True
            log.error(
                "a fragment could not be written",
                extra={"camera_id": str(self.camera_id), "reason": str(error)},
            )
        self._close_segment()

    def _close_segment(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        now_at = self._spool.now()
        if writer.close(self._clock_estimate(), now_at) is not None:
            self._board.count_segment(self.camera_id, now_at)

    def _check_schedule(self, now_at: datetime) -> None:
        stop_at = self._order.stop_at
        self._gaps.observe_clock(now_at, away=not self._connected)
        if self.finished or now_at < self._order.start_at:
            return
        if stop_at is not None and now_at >= stop_at + (LATE_PACKETS if self._connected else timedelta(0)):
            self._finish()
        elif not self._connected and now_at - self._gaps.until_at >= GAP_EVERY:
            self._gaps.add_gap_until(now_at, self._current_reason())
            self._save_progress()

    def _finish(self) -> None:
        self._end_run()
        if self._subscription is not None and self._subscription.dropping:
            self._gaps.note_cause(GapReason.PACKETS_DROPPED)
        stop_at = self._order.stop_at or self._spool.now()
        if stop_at - self._gaps.until_at > TOLERANCE:
            self._gaps.add_gap_until(stop_at, self._current_reason())
        self.finished = True
        self._save_progress()
        self._board.notify()

    def _save_progress(self) -> None:
        progress = TrackProgress(
            until_at=self._gaps.until_at, run=self._run, finished=self.finished, sound=self._audio_decision
        )
        self._spool.save_progress(self._order.class_session_id, self.camera_id, progress)

    def _emit_gap(self, gap: GapRecord) -> None:
        log.info(
            "a gap in a recording",
            extra={
                "camera_id": str(gap.camera_id),
                "reason": str(gap.reason),
                "seconds": round((gap.to_at - gap.from_at).total_seconds(), 3),
            },
        )
        self._spool.add_gap(gap)

    def _current_reason(self) -> GapReason:
        if self._feed is None:
            return GapReason.CAMERA_OFFLINE
        return gap_reason(self._board.camera(self.camera_id).error)

    def _clock_estimate(self) -> ClockEstimate | None:
        return self._source_run.clock.estimate() if self._source_run is not None else None

    def _utc(self, pts_90k: int) -> datetime | None:
        clock = self._clock_estimate()
        return None if clock is None else utc_of_pts(pts_90k, clock)


def _span_of(fragment: Fragment, clock: ClockEstimate) -> tuple[datetime, datetime]:
    """Returns when a fragment's first picture was taken, and when its last one ended."""
    return utc_of_pts(fragment.pts_90k, clock), utc_of_pts(fragment.pts_90k + fragment.duration_90k, clock)
