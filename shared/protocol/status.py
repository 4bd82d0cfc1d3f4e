"""What an agent says of itself: twice a minute, and at once when a state changes."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.protocol.ids import CameraId, ClassSessionId, SegmentId
from shared.protocol.media import AudioFormat, ClockEstimate, Count, Instant, Sha256Hex, VideoFormat
from shared.protocol.upload import TrackTally

HEARTBEAT_S = 30


class CameraState(StrEnum):
    """What the agent is doing with a camera."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RETRYING = "retrying"


class CameraError(StrEnum):
    """Why a camera gives no pictures. The text is the wire value; the hint for people stands in `CAMERA_HINTS`."""

    UNREACHABLE = "unreachable"
    REFUSED = "credentials_refused"
    NOT_FOUND = "not_found"
    NO_VIDEO = "no_video"
    UNSUPPORTED_CODEC = "unsupported_codec"
    TIMED_OUT = "timed_out"
    ENDED = "ended"
    BAD_DATA = "bad_data"
    TLS = "tls"
    NOT_ON_LIST = "not_on_list"
    ADDRESS_REFUSED = "address_refused"
    CREDENTIALS_UNREADABLE = "credentials_unreadable"


CAMERA_HINTS: dict[CameraError, str] = {
    CameraError.UNREACHABLE: "Check that the camera has power and network, and that host and port are right.",
    CameraError.REFUSED: "The camera refused user or password. Enter them again in the camera's page.",
    CameraError.NOT_FOUND: "The camera answers, but not at this path. Take the stream path from its manual.",
    CameraError.NO_VIDEO: "The address gives no video stream. Take the address of the main stream.",
    CameraError.UNSUPPORTED_CODEC: "Set the camera to H.264 or H.265.",
    CameraError.TIMED_OUT: "The camera stopped sending. Check its network; it is tried again for ever.",
    CameraError.ENDED: "The camera closed the stream. It is tried again for ever.",
    CameraError.BAD_DATA: "The stream cannot be read. Restart the camera; check that the address is a video stream.",
    CameraError.TLS: "The camera's certificate is not trusted. Use its plain address or install the certificate.",
    CameraError.NOT_ON_LIST: "The box has no media file of this name. `threedance-agent media add` adds one.",
    CameraError.ADDRESS_REFUSED: "The box's own address rules forbid this host. See `allowed_networks` in its settings.",
    CameraError.CREDENTIALS_UNREADABLE: "The credentials were sealed for another box. Enter them again.",
}


class CameraStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One camera as the agent sees it now. Counters count from the start of the agent."""

    camera_id: CameraId
    state: CameraState
    error: CameraError | None = None
    error_detail: str = ""
    """One line, redacted; empty where there is no error."""
    failures_in_row: Count = 0
    video: VideoFormat | None = None
    audio: AudioFormat | None = None
    clock: ClockEstimate | None = None
    fps: float = 0.0
    bits_per_s: Count = 0
    packets_dropped: Count = 0
    segments_closed: Count = 0
    last_segment_at: Instant | None = None


class RecordingState(StrEnum):
    """How far an agent is with one recording order."""

    WAITING = "waiting"
    RECORDING = "recording"
    FINISHED = "finished"


class RecordingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One order. `first_picture_at`: when the first camera's first fragment began; `finished`: nothing more is cut."""

    class_session_id: ClassSessionId
    state: RecordingState
    cameras_recording: Count
    first_picture_at: Instant | None
    tally: TrackTally


class SpoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The local buffer. `behind_s` is the age of the oldest segment that is not in the cloud; `hours_left` for how long
    there is room at the pace of late, None where nothing was recorded lately."""

    bytes_used: Count
    bytes_free: Count
    segments_pending: Count
    behind_s: Annotated[float, Meta(ge=0)]
    full: bool = False
    hours_left: Annotated[float, Meta(ge=0)] | None = None


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """One segment that stays on the box because it is refused, and why. It blocks nothing, and is never dropped."""

    segment_id: SegmentId
    class_session_id: ClassSessionId
    camera_id: CameraId
    reason: str
    """One line: code and detail of the refusal."""


class WindowState(StrEnum):
    """How the upload window stands. Only `waits` keeps segments back."""

    ANY_TIME = "any_time"
    """There is no window."""
    OPEN = "open"
    WAITS = "waits"
    OVERRULED = "overruled"
    """It is closed, and segments go all the same: the buffer is nearly full."""
    UNUSABLE = "unusable"
    """It cannot be told whether it is open: the box knows no time yet, or not the time zone. Segments go."""


class UploadStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the uploads are. `problem` says in one line why none gets through, `hint` what to do; both empty where fine."""

    problem: str = ""
    hint: str = ""
    set_aside: Count = 0
    newest: tuple[SetAside, ...] = ()
    """The last few of those set aside."""
    window: WindowState = WindowState.ANY_TIME
    opens_at: Instant | None = None
    """When the window opens next, in its own time zone; None where it is open, or there is none."""


class AgentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole agent at `now_at` by the server's time; `clock_offset_ms` is server minus box."""

    now_at: Instant
    uptime_s: Annotated[float, Meta(ge=0)]
    clock_offset_ms: float
    cameras: tuple[CameraStatus, ...]
    recordings: tuple[RecordingStatus, ...]
    spool: SpoolStatus
    upload: UploadStatus = UploadStatus()
    update: Annotated[str, Meta(max_length=600)] = ""
    """How the last update of the box's package ended, in one line; empty where there was none."""


class ConfigStatus(StrEnum):
    """What became of a desired configuration."""

    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration the agent has: `version` and `hash` of what is in force, and how the newest fared."""

    version: Count
    """0: none yet."""
    hash: Sha256Hex | None
    status: ConfigStatus
    error: str = ""
    failed_version: Count | None = None
