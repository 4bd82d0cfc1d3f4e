"""Status report of an agent: twice a minute, and immediately when a state changes."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.protocol.ids import CameraId, ClassSessionId, SegmentId
from shared.protocol.media import AudioFormat, ClockEstimate, Count, Instant, Sha256Hex, VideoFormat
from shared.protocol.upload import TrackTally

HEARTBEAT_S = 30


class CameraState(StrEnum):
    """State of the agent's connection to a camera."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RETRYING = "retrying"


class CameraError(StrEnum):
    """Reason why a camera sends no pictures. The text is the wire value; people read `CAMERA_REASONS` and `CAMERA_HINTS`."""

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
    FORBIDDEN = "forbidden"
    AUTHENTICATION_UNSUPPORTED = "authentication_unsupported"
    BUSY = "busy"
    NO_TCP = "no_tcp"
    REDIRECTED = "redirected"
    WRONG_PROTOCOL = "wrong_protocol"
    CAMERA_FAULT = "camera_fault"
    BAD_FILE = "bad_file"


CAMERA_REASONS: dict[CameraError, str] = {
    CameraError.UNREACHABLE: "The camera cannot be reached.",
    CameraError.REFUSED: "The camera refused user or password.",
    CameraError.NOT_FOUND: "The camera has no stream at this path.",
    CameraError.NO_VIDEO: "There is no video at this address.",
    CameraError.UNSUPPORTED_CODEC: "The camera's video format cannot be recorded.",
    CameraError.TIMED_OUT: "The camera stopped sending.",
    CameraError.ENDED: "The camera closed the stream.",
    CameraError.BAD_DATA: "The stream cannot be read.",
    CameraError.TLS: "No secure connection to the camera can be made.",
    CameraError.NOT_ON_LIST: "The agent has no media file of this name.",
    CameraError.ADDRESS_REFUSED: "The agent may not connect to this address.",
    CameraError.CREDENTIALS_UNREADABLE: "The agent cannot read the camera's user and password.",
    CameraError.FORBIDDEN: "The camera does not allow this user to view the stream.",
    CameraError.AUTHENTICATION_UNSUPPORTED: "The agent does not support the camera's authentication method.",
    CameraError.BUSY: "The camera has reached its limit of viewers.",
    CameraError.NO_TCP: "The camera does not send RTP over TCP.",
    CameraError.REDIRECTED: "The camera redirects to another address.",
    CameraError.WRONG_PROTOCOL: "This port uses another protocol.",
    CameraError.CAMERA_FAULT: "The camera reports an internal error.",
    CameraError.BAD_FILE: "The media file cannot be played.",
}
"""The error as one sentence for people. `CAMERA_HINTS` holds the remedy, and repeats nothing of the sentence."""

CAMERA_HINTS: dict[CameraError, str] = {
    CameraError.UNREACHABLE: "Check that the camera has power and network, and that host and port are right.",
    CameraError.REFUSED: "Enter them again on the camera's page.",
    CameraError.NOT_FOUND: "Enter the stream path from the camera's manual.",
    CameraError.NO_VIDEO: "Enter the address of the main stream.",
    CameraError.UNSUPPORTED_CODEC: "Set the camera to H.264 or H.265.",
    CameraError.TIMED_OUT: "Check its network. The agent keeps trying.",
    CameraError.ENDED: "The agent keeps trying. If this continues, restart the camera.",
    CameraError.BAD_DATA: "Check that the address is a video stream. Restart the camera.",
    CameraError.TLS: "Use the camera's plain address, or install its certificate on the agent.",
    CameraError.NOT_ON_LIST: "Add it on the agent: threedance-agent media add NAME FILE",
    CameraError.ADDRESS_REFUSED: "To allow it, add its network to `allowed_networks` in the agent's settings.toml.",
    CameraError.CREDENTIALS_UNREADABLE: "They were sealed for another agent. Enter them again on the camera's page.",
    CameraError.FORBIDDEN: "In the camera, allow this user to view the stream, or enter another user. After several "
    "wrong passwords cameras lock a user out for some minutes.",
    CameraError.AUTHENTICATION_UNSUPPORTED: "Set the camera's authentication to Digest (MD5 or SHA-256) or Basic.",
    CameraError.BUSY: "Close its other viewers, or raise its limit of streams. The agent keeps trying.",
    CameraError.NO_TCP: "Switch on RTP over TCP (RTSP interleaved) in the camera.",
    CameraError.REDIRECTED: "The agent follows no redirect. If you trust that address, enter it on the camera's page.",
    CameraError.WRONG_PROTOCOL: "Check scheme and port. Most cameras have RTSP at 554, HTTP at 80, HTTPS at 443.",
    CameraError.CAMERA_FAULT: "Restart it. If this continues, look for the error in its manual.",
    CameraError.BAD_FILE: "Replace it with an H.264 or H.265 video: threedance-agent media add NAME FILE",
}


def camera_fault(error: CameraError, detail: str) -> str:
    """Returns the reason why a camera sends no pictures, for people; `detail` is the detail line of its status."""
    return f"{CAMERA_REASONS[error]} ({detail})" if detail else CAMERA_REASONS[error]


_BEFORE_4: dict[CameraError, CameraError] = {
    CameraError.FORBIDDEN: CameraError.REFUSED,
    CameraError.AUTHENTICATION_UNSUPPORTED: CameraError.REFUSED,
    CameraError.BUSY: CameraError.UNREACHABLE,
    CameraError.NO_TCP: CameraError.BAD_DATA,
    CameraError.REDIRECTED: CameraError.NOT_FOUND,
    CameraError.WRONG_PROTOCOL: CameraError.BAD_DATA,
    CameraError.CAMERA_FAULT: CameraError.BAD_DATA,
    CameraError.BAD_FILE: CameraError.BAD_DATA,
}
"""For each reason that was added in version 4, the nearest one of earlier versions."""


class CameraStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of one camera. Counters count from the start of the agent."""

    camera_id: CameraId
    state: CameraState
    error: CameraError | None = None
    error_detail: str = ""
    """One redacted line about `error`; without an error about a part that is not recorded, such as audio; else empty."""
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
    """Progress of one recording order."""

    WAITING = "waiting"
    RECORDING = "recording"
    FINISHED = "finished"


class RecordingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One order. `first_picture_at`: start of the first camera's first fragment; `finished`: no segments follow."""

    class_session_id: ClassSessionId
    state: RecordingState
    cameras_recording: Count
    first_picture_at: Instant | None
    tally: TrackTally


class SpoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of the local buffer. `behind_s` is the age of the oldest segment that is not uploaded; `hours_left` is the time
    until the buffer is full at the recent rate, None without a recent recording."""

    bytes_used: Count
    bytes_free: Count
    segments_pending: Count
    behind_s: Annotated[float, Meta(ge=0)]
    full: bool = False
    hours_left: Annotated[float, Meta(ge=0)] | None = None


class QuarantinedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment that the control plane refused, with the reason. It stays on the agent's disk and blocks no other."""

    segment_id: SegmentId
    class_session_id: ClassSessionId
    camera_id: CameraId
    reason: str
    """One line: code and detail of the refusal."""


class WindowState(StrEnum):
    """State of the upload window. Only `waits` delays segments."""

    ANY_TIME = "any_time"
    """There is no window."""
    OPEN = "open"
    WAITS = "waits"
    OVERRULED = "overruled"
    """Closed, but segments are uploaded because the buffer is nearly full."""
    UNUSABLE = "unusable"
    """Unknown, because the agent has no time yet or does not know the time zone. Segments are uploaded."""


class UploadStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of the uploads. `problem` is one line on why they fail, `hint` the remedy; both are empty without a problem."""

    problem: str = ""
    hint: str = ""
    quarantined: Count = msgspec.field(default=0, name="set_aside")
    """Number of quarantined segments."""
    newest: tuple[QuarantinedSegment, ...] = ()
    """The last few quarantined segments."""
    window: WindowState = WindowState.ANY_TIME
    opens_at: Instant | None = None
    """Next opening of the window, in its own time zone; None while it is open, or without a window."""


class AgentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of the agent at `now_at` by the server's time; `clock_offset_ms` is server time minus agent time."""

    now_at: Instant
    uptime_s: Annotated[float, Meta(ge=0)]
    clock_offset_ms: float
    cameras: tuple[CameraStatus, ...]
    recordings: tuple[RecordingStatus, ...]
    spool: SpoolStatus
    upload: UploadStatus = UploadStatus()
    update: Annotated[str, Meta(max_length=600)] = ""
    """Result of the last update of the agent's package, in one line; empty before the first."""


def status_for_version(protocol: int, status: AgentStatus) -> AgentStatus:
    """Returns `status` for a control plane of version `protocol`, which refuses reasons that were added later."""
    if protocol >= 4:
        return status
    cameras = tuple(
        msgspec.structs.replace(camera, error=_BEFORE_4.get(camera.error, camera.error))
        if camera.error is not None
        else camera
        for camera in status.cameras
    )
    return msgspec.structs.replace(status, cameras=cameras)


class ConfigStatus(StrEnum):
    """State of a desired configuration."""

    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's configuration: `version` and `hash` of the one in force, and the state of the newest."""

    version: Count
    """0 before the first."""
    hash: Sha256Hex | None
    status: ConfigStatus
    error: str = ""
    failed_version: Count | None = None
