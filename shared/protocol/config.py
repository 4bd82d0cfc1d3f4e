"""The desired configuration of one agent: its cameras, its recording orders, and its limits."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared.protocol.codec import document_hash
from shared.protocol.ids import AgentId, CameraId, ClassSessionId, RecipientKeyId, RoomId, StudioId
from shared.protocol.media import Count, Instant, PositiveInt, Sha256Hex


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An unknown key in a configuration is an error and never ignored."""


class Position(StrEnum):
    """Position of a camera on the wall, seen from the dancers."""

    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"


class RtspSource(_Strict, tag_field="kind", tag="rtsp", frozen=True):
    """A camera read by RTSP over TCP. The address holds no secrets: they are sent sealed."""

    url: Annotated[str, Meta(pattern=r"^rtsps?://[^\s@]+$", max_length=2000)]


class HttpSource(_Strict, tag_field="kind", tag="http", frozen=True):
    """A camera that answers an HTTP GET with an endless stream (MPEG-TS, Matroska, fragmented MP4, FLV)."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s@]+$", max_length=2000)]


class FileSource(_Strict, tag_field="kind", tag="file", frozen=True):
    """A video file played in real time, in a loop.

    `name` is a name from the agent's own list of media files, never a path: a pushed configuration cannot name a file.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


Source = RtspSource | HttpSource | FileSource


class Credentials(_Strict, frozen=True):
    """User and password of a camera; on the wire only ever as JSON inside `CameraConfig.sealed_credentials`."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(***)"


SEALED_TAIL_SINCE = 4
"""First protocol version with `CameraConfig.sealed_tail`."""


class CameraConfig(_Strict, frozen=True):
    """One camera of the agent.

    `sealed_credentials` is a libsodium sealed box of `Credentials` to the agent's own X25519 key, or None for a
    camera without authentication. `sealed_tail` is a sealed box of the secret end of its address (UTF-8), which follows
    the `url` of its source; unset for an address without a secret. `offset_us` is added to every UTC time of the camera:
    its measured, constant encoder delay.
    """

    id: CameraId
    room_id: RoomId
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    position: Position
    source: Source
    sealed_credentials: bytes | None = None
    record_audio: bool = True
    offset_us: int = 0
    sealed_tail: bytes | UnsetType = UNSET


class RecipientKey(_Strict, frozen=True):
    """The studio's X25519 public key, to which the agent seals every content key."""

    id: RecipientKeyId
    public_key: Annotated[bytes, Meta(min_length=32, max_length=32)]


class RecordingOrder(_Strict, frozen=True):
    """A class to record in one room, from `start_at` until `stop_at` (None: until a later configuration sets it).

    The order stays in the configuration until the control plane has every segment of the class, or gives up on it. An
    agent that receives it late starts late and reports a gap.
    """

    class_session_id: ClassSessionId
    room_id: RoomId
    start_at: Instant
    stop_at: Instant | None = None


LocalTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""Local time of day, such as `22:00`."""
UPLOAD_WINDOW_SINCE = 3
"""First protocol version with an upload window."""
TimeZoneName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$", max_length=64)]
"""A name of the IANA time zone database. The agent checks whether it knows the zone: zones are added and renamed."""


class UploadWindow(_Strict, frozen=True):
    """Time of day for uploads: each day from `opens` until `closes`, across midnight if `closes` is earlier.

    It is open while the local time in `time_zone` is at or after `opens` and before `closes`. A change to or from
    daylight saving time therefore lengthens, shortens or splits the window exactly as it does the local time.
    """

    opens: LocalTime
    closes: LocalTime
    time_zone: TimeZoneName

    def __post_init__(self) -> None:
        """Raises ValueError if the window would be always open or never."""
        if self.opens == self.closes:
            raise ValueError(
                f"`opens` and `closes` are both {self.opens}: set no window to upload at any time"
            )


class UploadPolicy(_Strict, frozen=True):
    """Limits of the uploads. `max_bytes_per_s` None: no limit; `window` unset: at any time.

    An unset window is not encoded, so that such a policy has the same bytes and hash in every protocol version.
    """

    max_bytes_per_s: PositiveInt | None = None
    window: UploadWindow | UnsetType = UNSET


class SpoolPolicy(_Strict, frozen=True):
    """Limit of the agent's disk usage, and minimum age of a committed local copy."""

    max_bytes: PositiveInt = 200 * 10**9
    keep_free_bytes: Count = 2 * 10**9
    keep_committed_s: Count = 3600


class AgentBody(_Strict, frozen=True):
    """The content of a configuration."""

    studio_id: StudioId
    recipient: RecipientKey
    cameras: tuple[CameraConfig, ...] = ()
    recordings: tuple[RecordingOrder, ...] = ()
    upload: UploadPolicy = UploadPolicy()
    spool: SpoolPolicy = SpoolPolicy()


class AgentConfig(_Strict, frozen=True):
    """One version of the desired configuration. `hash` is `document_hash(body)`."""

    agent_id: AgentId
    version: PositiveInt
    hash: Sha256Hex
    body: AgentBody


def body_for_version(protocol: int, body: AgentBody) -> AgentBody:
    """Returns `body` for an agent of version `protocol`, without keys that were added later and that it would refuse."""
    if protocol < UPLOAD_WINDOW_SINCE:
        upload = msgspec.structs.replace(body.upload, window=UNSET)
        body = msgspec.structs.replace(body, upload=upload)
    if protocol < SEALED_TAIL_SINCE and any(camera.sealed_tail is not UNSET for camera in body.cameras):
        # A part of an address could be another stream, or lock the agent out of the camera.
        cameras = tuple(camera for camera in body.cameras if camera.sealed_tail is UNSET)
        body = msgspec.structs.replace(body, cameras=cameras)
    return body


def config_document(agent_id: AgentId, version: int, body: AgentBody) -> AgentConfig:
    """Returns `body` as version `version` of the agent's configuration, with its hash."""
    return AgentConfig(agent_id=agent_id, version=version, hash=document_hash(body), body=body)
