"""What the agent states of one finished segment, and of each stretch that is missing."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.protocol.ids import CameraId, ClassSessionId, GapId, RecipientKeyId, SegmentId
from shared.protocol.media import AudioFormat, ClockEstimate, Count, PositiveInt, Sha256Hex, VideoFormat

Iv = Annotated[bytes, Meta(min_length=16, max_length=16)]


class SealedBlob(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a segment object: `size_bytes` of AES-128-CBC ciphertext (PKCS#7) at `offset_bytes`."""

    offset_bytes: Count
    size_bytes: PositiveInt
    iv: Iv
    sha256: Sha256Hex
    """Of the ciphertext."""


class FragmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One moof+mdat: a group of pictures that starts with a key frame, and the sound beside it.

    `pts_90k` is the first picture's presentation time on the track's timeline; `duration_90k` reaches to the next
    fragment's first picture, or one frame past the last picture where none follows.
    """

    blob: SealedBlob
    pts_90k: int
    duration_90k: PositiveInt
    frames: PositiveInt


class SegmentManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one segment but its bytes.

    The object is the init section (`init`), then the fragments, each encrypted on its own with one content key.
    `sequence` counts the segments of one camera at one agent for ever, without a hole. `run` counts the stretches of
    one media timeline within the class: it rises when the camera reconnects, its clock steps or its format changes.
    `init_sha256` is of the *plain* init section: equal values can share one decoder set-up.
    """

    segment_id: SegmentId
    class_session_id: ClassSessionId
    camera_id: CameraId
    sequence: PositiveInt
    run: Count
    size_bytes: PositiveInt
    sha256: Sha256Hex
    recipient_key_id: RecipientKeyId
    sealed_key: Annotated[bytes, Meta(min_length=64, max_length=64)]
    """The 16-byte content key in a libsodium sealed box (48 bytes of overhead)."""
    init: SealedBlob
    init_sha256: Sha256Hex
    fragments: Annotated[tuple[FragmentRecord, ...], Meta(min_length=1, max_length=256)]
    video: VideoFormat
    audio: AudioFormat | None
    clock: ClockEstimate
    closed_at: datetime
    recovered: bool = False
    """The segment was cut short by a crash and sealed when the agent came back."""


class GapReason(StrEnum):
    """Why a stretch of a track is missing."""

    CAMERA_LATE = "camera_late"
    CAMERA_OFFLINE = "camera_offline"
    CAMERA_SILENT = "camera_silent"
    CAMERA_REFUSED = "camera_refused"
    CAMERA_UNSUPPORTED = "camera_unsupported"
    PACKETS_DROPPED = "packets_dropped"
    AGENT_STOPPED = "agent_stopped"
    AGENT_LATE = "agent_late"
    CLOCK_STEP = "clock_step"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    SEGMENT_CORRUPT = "segment_corrupt"


class GapRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one camera's track that does not exist, `from_at` up to `to_at`, and why; sent until acknowledged."""

    gap_id: GapId
    class_session_id: ClassSessionId
    camera_id: CameraId
    from_at: datetime
    to_at: datetime
    reason: GapReason
    detail: str = ""
