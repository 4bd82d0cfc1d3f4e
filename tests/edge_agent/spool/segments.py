"""Segments without a camera: the store and what stands on it need bytes, not pictures."""

from uuid import uuid4

from edge_agent.spool.segment_writer import Fragment, SegmentWriter
from edge_agent.spool.spool import Spool
from shared.protocol.ids import CameraId, ClassSessionId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.media import ClockEstimate, ClockMethod, VideoFormat
from tests.edge_agent.spool.recorded_class import NOON, Studio

VIDEO = VideoFormat(codec="h264", codec_string="avc1.64001f", width=320, height=180, fps=30.0)
CLOCK = ClockEstimate(
    method=ClockMethod.ARRIVAL,
    anchor_pts_90k=900_000,
    anchor_at=NOON,
    rate_ppb=0,
    error_bound_us=40_000,
    provisional=False,
)
INIT = b"init section" * 40


def fragment(number: int, size_bytes: int = 2000) -> Fragment:
    """Returns fragment `number` of a run: its bytes say which it is."""
    body = number.to_bytes(4, "big") * (size_bytes // 4)
    return Fragment(body, 900_000 + number * 90_000, 90_000, 30, True)


def writer(
    studio: Studio, spool: Spool, *, run: int = 0, class_id: ClassSessionId | None = None
) -> SegmentWriter:
    """Returns an open segment of the studio's camera."""
    return SegmentWriter(
        spool,
        class_session_id=class_id or studio.class_id,
        camera_id=studio.camera_id,
        run=run,
        recipient=studio.recipient,
        init=INIT,
        video=VIDEO,
        audio=None,
    )


def closed(
    studio: Studio, spool: Spool, *, fragments: int = 3, class_id: ClassSessionId | None = None
) -> SegmentManifest:
    """Returns a closed segment."""
    segment = writer(studio, spool, class_id=class_id)
    for number in range(fragments):
        segment.append(fragment(number), CLOCK)
    manifest = segment.close(CLOCK, studio.clock.now())
    assert manifest is not None
    return manifest


def other_camera(studio: Studio) -> CameraId:
    """Gives the studio's one camera another id, and returns it."""
    studio.camera_id = CameraId(uuid4())
    return studio.camera_id
