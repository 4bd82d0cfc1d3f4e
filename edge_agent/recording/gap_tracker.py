"""Gap tracking of one track: each instant of a class is in a fragment or in a gap with a reason. No I/O of its own."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from edge_agent.spool.wall_clock import ended_at, started_at
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord, SegmentManifest
from shared.protocol.status import CameraError

TOLERANCE = timedelta(milliseconds=250)
"""Between two runs: a smaller difference is clock error and no gap."""
NEAR = timedelta(seconds=10)
"""A gap that ends at most this long after the agent's start is attributed to the agent alone."""

REASONS: dict[CameraError, GapReason] = {
    CameraError.REFUSED: GapReason.CAMERA_REFUSED,
    CameraError.CREDENTIALS_UNREADABLE: GapReason.CAMERA_REFUSED,
    CameraError.ADDRESS_REFUSED: GapReason.CAMERA_REFUSED,
    CameraError.FORBIDDEN: GapReason.CAMERA_REFUSED,
    CameraError.AUTHENTICATION_UNSUPPORTED: GapReason.CAMERA_REFUSED,
    CameraError.UNSUPPORTED_CODEC: GapReason.CAMERA_UNSUPPORTED,
    CameraError.NO_VIDEO: GapReason.CAMERA_UNSUPPORTED,
    CameraError.NO_TCP: GapReason.CAMERA_UNSUPPORTED,
    CameraError.BAD_FILE: GapReason.CAMERA_UNSUPPORTED,
    CameraError.TIMED_OUT: GapReason.CAMERA_SILENT,
}
"""All other errors are `camera_offline`."""


def gap_reason(error: CameraError | None) -> GapReason:
    """Returns the gap reason for a camera error; None: the camera has not connected yet."""
    return GapReason.CAMERA_LATE if error is None else REASONS.get(error, GapReason.CAMERA_OFFLINE)


class GapTracker:
    """Tracks how far one track is covered. Instants are UTC; `until_at` only rises, unless a clock steps back.

    `absent_until_at` is when this agent started: gaps before it are caused by the agent, not by the camera.
    """

    def __init__(
        self,
        class_session_id: ClassSessionId,
        camera_id: CameraId,
        *,
        until_at: datetime,
        absent_until_at: datetime,
        resumed: bool,
        emit: Callable[[GapRecord], None],
    ) -> None:
        self._class_session_id = class_session_id
        self._camera_id = camera_id
        self._agent_started_at = absent_until_at
        self._absence_reason = GapReason.AGENT_STOPPED if resumed else GapReason.AGENT_LATE
        self._emit = emit
        self._cause: tuple[GapReason, str] | None = None
        self._begins_at = self.until_at = until_at
        self._observed_at = absent_until_at
        self._set_back = False

    def note_cause(self, reason: GapReason, detail: str = "") -> None:
        """Sets the cause of a gap that may follow. The first cause since the last fragment counts."""
        if self._cause is None:
            self._cause = (reason, detail)

    def add_fragment(
        self, from_at: datetime, to_at: datetime, *, follows: bool, otherwise: GapReason
    ) -> None:
        """Adds a fragment, and the gap before it if there is one.

        Args:
            from_at: its first picture.
            to_at: its end.
            follows: it is contiguous in media time, so there is no gap, whatever the dates say.
            otherwise: the reason of a gap without a known cause.
        """
        dropped = self._cause is not None and self._cause[0] is GapReason.PACKETS_DROPPED
        if not follows and from_at - self.until_at > (timedelta(0) if dropped else TOLERANCE):
            self.add_gap_until(from_at, otherwise)
        stepped = self._cause is not None and self._cause[0] is GapReason.CLOCK_STEP
        self._cause = None
        self._set_back = self._set_back and not stepped
        # After a step back `until_at` must go back too, or a gap before the old time is reached again would be lost.
        self.until_at = to_at if stepped else max(self.until_at, to_at)

    def observe_clock(self, now_at: datetime, *, away: bool) -> None:
        """Observes the clock. If it was set back while the camera is `away`, the gap from the new time on still counts."""
        self._set_back |= now_at < self._observed_at - TOLERANCE
        self._observed_at = now_at
        if self._set_back and away:
            self._set_back = False
            self.until_at = min(self.until_at, max(now_at, self._begins_at))

    def add_gap_until(self, to_at: datetime, otherwise: GapReason) -> None:
        """Records a gap up to `to_at`, split where the agent was not running yet."""
        reason, detail = self._cause or (otherwise, "")
        from_at = self.until_at
        absent_until_at = self._agent_started_at
        if from_at < absent_until_at - TOLERANCE:
            # The gap started before this agent did: attribute it to the absence, and split it where a longer part follows.
            if to_at - absent_until_at <= NEAR:
                reason, detail = self._absence_reason, ""
            else:
                self._add_gap(from_at, absent_until_at, self._absence_reason, "")
                from_at = absent_until_at
        self._add_gap(from_at, to_at, reason, detail)

    def add_missed_gap(self, from_at: datetime, to_at: datetime) -> None:
        """Records a gap before `until_at` that a killed agent could not record."""
        self._emit_gap(from_at, to_at, GapReason.AGENT_STOPPED, "found after a restart")

    def _add_gap(self, from_at: datetime, to_at: datetime, reason: GapReason, detail: str) -> None:
        if to_at <= from_at:
            return
        self.until_at = to_at
        self._emit_gap(from_at, to_at, reason, detail)

    def _emit_gap(self, from_at: datetime, to_at: datetime, reason: GapReason, detail: str) -> None:
        self._emit(
            GapRecord(
                gap_id=GapId(new_id()),
                class_session_id=self._class_session_id,
                camera_id=self._camera_id,
                from_at=from_at,
                to_at=to_at,
                reason=reason,
                detail=detail,
            )
        )


Span = tuple[datetime, datetime]


def uncovered_spans(
    segments: Sequence[SegmentManifest], gaps: Iterable[GapRecord], *, since_at: datetime, whole: bool
) -> list[Span]:
    """Returns the spans of a track that neither a segment nor a gap covers.

    A gap is recorded after the fragment that ends it. An agent killed in between, or with a full disk, leaves the span
    uncovered; it is found here when the recording resumes.


    Args:
        segments: the known segments of the track, by number. The time before a missing number is skipped: that segment
            may have been uploaded and pruned.
        gaps: the known gaps of the track, in any order.
        since_at: everything before is covered.
        whole: nothing was pruned, so the time from `since_at` to the first segment is checked too.
    """
    known = sorted((gap.from_at, gap.to_at) for gap in gaps)
    between = [
        (ended_at(before), started_at(after))
        for before, after in itertools.pairwise(segments)
        if after.sequence == before.sequence + 1 and not _follows(before, after)
    ]
    if whole and segments:
        between.insert(0, (since_at, started_at(segments[0])))
    found = (_left(max(since_at, from_at), to_at, known) for from_at, to_at in between)
    return [(from_at, to_at) for from_at, to_at in found if to_at - from_at > TOLERANCE]


def _left(from_at: datetime, to_at: datetime, gaps: Iterable[Span]) -> Span:
    """Returns what is left of a span after cutting gaps off its start."""
    for gap_from_at, gap_to_at in gaps:
        if gap_from_at <= from_at + TOLERANCE:
            from_at = max(from_at, gap_to_at)
    return from_at, to_at


def _follows(before: SegmentManifest, after: SegmentManifest) -> bool:
    """Returns whether two segments are contiguous in media time, whatever their dates say."""
    last = before.fragments[-1]
    return before.run == after.run and last.pts_90k + last.duration_90k == after.fragments[0].pts_90k
