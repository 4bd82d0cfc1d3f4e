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
    """Why a camera gives no pictures. The text is the wire value; for people it is `CAMERA_REASONS`, `CAMERA_HINTS`."""

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
    CameraError.FORBIDDEN: "The camera does not let this user view the stream.",
    CameraError.AUTHENTICATION_UNSUPPORTED: "The camera asks to sign in in a way that the agent does not know.",
    CameraError.BUSY: "The camera serves no more viewers.",
    CameraError.NO_TCP: "The camera does not send RTP over TCP.",
    CameraError.REDIRECTED: "The camera redirects to another address.",
    CameraError.WRONG_PROTOCOL: "Another protocol is spoken at this port.",
    CameraError.CAMERA_FAULT: "The camera reports a fault of its own.",
    CameraError.BAD_FILE: "The media file cannot be played.",
}
"""What is wrong, for people: one sentence. `CAMERA_HINTS` says what to do about it, and repeats none of it."""

CAMERA_HINTS: dict[CameraError, str] = {
    CameraError.UNREACHABLE: "Check that the camera has power and network, and that host and port are right.",
    CameraError.REFUSED: "Enter them again on the camera's page.",
    CameraError.NOT_FOUND: "Take the stream path from the camera's manual.",
    CameraError.NO_VIDEO: "Take the address of the main stream.",
    CameraError.UNSUPPORTED_CODEC: "Set the camera to H.264 or H.265.",
    CameraError.TIMED_OUT: "Check its network. The agent keeps trying.",
    CameraError.ENDED: "The agent keeps trying. If this stays, restart the camera.",
    CameraError.BAD_DATA: "Check that the address is that of a video stream. Restart the camera.",
    CameraError.TLS: "Use the camera's plain address, or install its certificate on the agent.",
    CameraError.NOT_ON_LIST: "Add it on the agent: threedance-agent media add NAME FILE",
    CameraError.ADDRESS_REFUSED: "To allow it, add its network to `allowed_networks` in the agent's settings.toml.",
    CameraError.CREDENTIALS_UNREADABLE: "They were sealed for another agent. Enter them again on the camera's page.",
    CameraError.FORBIDDEN: "Give this user the right to view the stream in the camera, or enter another user. After "
    "several wrong passwords cameras lock a user out for some minutes.",
    CameraError.AUTHENTICATION_UNSUPPORTED: "Set the camera's authentication to Digest (MD5 or SHA-256) or Basic.",
    CameraError.BUSY: "Close other viewers of it, or raise its limit of streams. The agent keeps trying.",
    CameraError.NO_TCP: "Switch on RTP over TCP (RTSP interleaved) in the camera.",
    CameraError.REDIRECTED: "The agent follows no redirect. If you trust that address, enter it on the camera's page.",
    CameraError.WRONG_PROTOCOL: "Check scheme and port. Most cameras have RTSP at 554, HTTP at 80, HTTPS at 443.",
    CameraError.CAMERA_FAULT: "Restart it. If this stays, look the answer up in its manual.",
    CameraError.BAD_FILE: "Put a video with H.264 or H.265 pictures in its place: threedance-agent media add NAME FILE",
}


def camera_fault(error: CameraError, detail: str) -> str:
    """Returns why a camera gives no pictures, for people; `detail` is the one line that its status carries."""
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
"""The nearest reason that versions before 4 know, for each that they do not."""


class CameraStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One camera as the agent sees it now. Counters count from the start of the agent."""

    camera_id: CameraId
    state: CameraState
    error: CameraError | None = None
    error_detail: str = ""
    """One line, redacted, on `error`; where that is None on what is not recorded, such as the sound; empty where all is."""
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


def status_in_words_of(protocol: int, status: AgentStatus) -> AgentStatus:
    """Returns `status` as a control plane of version `protocol` understands it: it refuses reasons that came later."""
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
