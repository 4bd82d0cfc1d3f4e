"""The agent's description of a finished segment, and of each gap."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.protocol.ids import CameraId, ClassSessionId, GapId, RecipientKeyId, SegmentId
from shared.protocol.media import AudioFormat, ClockEstimate, Count, PositiveInt, Sha256Hex, VideoFormat

Iv = Annotated[bytes, Meta(min_length=16, max_length=16)]


class SealedBlob(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a segment object: `size_bytes` of AES-128-CBC ciphertext (PKCS#7) at `offset_bytes`."""

    offset_bytes: Count
    size_bytes: PositiveInt
    iv: Iv
    sha256: Sha256Hex
    """Of the ciphertext."""


class FragmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One moof+mdat: a group of pictures that starts with a key frame, and its audio.

    `pts_90k` is the first picture's presentation time on the track's timeline; `duration_90k` reaches to the next
    fragment's first picture, or one frame past the last picture where none follows.
    """

    blob: SealedBlob
    pts_90k: int
    duration_90k: PositiveInt
    frames: PositiveInt


class SegmentManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Description of one segment, without its bytes.

    The object is the init section (`init`), then the fragments, each encrypted on its own with one content key.
    `sequence` counts the segments of one camera at one agent for ever, without a missing number. `run` counts the parts
    of the class with one media timeline: it rises when the camera reconnects, its clock steps or its format changes.
    `init_sha256` is the hash of the *plain* init section: segments with equal values can share a decoder configuration.
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
    """A crash cut the segment short, and the agent sealed it after its restart."""


class GapReason(StrEnum):
    """Reason of a gap."""

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
    """A gap of one camera's track, `from_at` up to `to_at`, with its reason; sent until acknowledged."""

    gap_id: GapId
    class_session_id: ClassSessionId
    camera_id: CameraId
    from_at: datetime
    to_at: datetime
    reason: GapReason
    detail: str = ""
