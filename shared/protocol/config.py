"""The desired configuration of one agent: what it serves, what it records now, and within which limits."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared.protocol.codec import document_hash
from shared.protocol.ids import AgentId, CameraId, ClassSessionId, RecipientKeyId, RoomId, StudioId
from shared.protocol.media import Count, Instant, PositiveInt, Sha256Hex


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An unknown key in a configuration is an error, never a silent wish."""


class Position(StrEnum):
    """Where on the wall a camera hangs, seen from the dancers."""

    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"


class RtspSource(_Strict, tag_field="kind", tag="rtsp", frozen=True):
    """A camera read by RTSP over TCP. The address carries no secrets: they travel sealed."""

    url: Annotated[str, Meta(pattern=r"^rtsps?://[^\s@]+$", max_length=2000)]


class HttpSource(_Strict, tag_field="kind", tag="http", frozen=True):
    """A camera that answers an HTTP GET with an endless stream (MPEG-TS, Matroska, fragmented MP4, FLV)."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s@]+$", max_length=2000)]


class FileSource(_Strict, tag_field="kind", tag="file", frozen=True):
    """A video file played in real time, over and over.

    `name` is a name from the box's own list of media files, never a path: a pushed configuration can name no file.
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
"""The version of the wire in which agents know `CameraConfig.sealed_tail`."""


class CameraConfig(_Strict, frozen=True):
    """One camera this agent reads.

    `sealed_credentials` is a libsodium sealed box of `Credentials` to the agent's own X25519 key, or None where the
    camera asks for none. `sealed_tail` is one of the secret end of its address, in UTF-8, which stands behind the `url`
    of its source; unset where all of the address is in clear. `offset_us` is added to every UTC time of the camera: its
    constant encoder delay, measured.
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
    """A class to record in one room, from `start_at` until `stop_at` (None: until told).

    The order stays in the configuration until the control plane has every segment of the class, or gave up on it; an
    agent that meets it late starts late and says so in a gap.
    """

    class_session_id: ClassSessionId
    room_id: RoomId
    start_at: Instant
    stop_at: Instant | None = None


LocalTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day as the clock on the wall shows it, `22:00`."""
UPLOAD_WINDOW_SINCE = 3
"""The version of the wire in which agents know an upload window."""
TimeZoneName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$", max_length=64)]
"""A name of the IANA time zone database. Whether a box knows it is for the box to find out: zones are born and renamed."""


class UploadWindow(_Strict, frozen=True):
    """When segments may be uploaded: each day from `opens` until `closes`, across midnight where `closes` is the earlier.

    It is open while the clock on the wall in `time_zone` shows a time from `opens` on and before `closes`. So a change
    to or from summer time lengthens, shortens or splits it exactly as that clock does.
    """

    opens: LocalTime
    closes: LocalTime
    time_zone: TimeZoneName

    def __post_init__(self) -> None:
        """Raises ValueError where it would be always open or never."""
        if self.opens == self.closes:
            raise ValueError(
                f"`opens` and `closes` are both {self.opens}: name no window to upload at any time"
            )


class UploadPolicy(_Strict, frozen=True):
    """How the line may be used. `max_bytes_per_s` None: no ceiling; `window` unset: at any time.

    A window that is not wished is not written: such a policy reads, and hashes, the same in every version of the wire.
    """

    max_bytes_per_s: PositiveInt | None = None
    window: UploadWindow | UnsetType = UNSET


class SpoolPolicy(_Strict, frozen=True):
    """How much of the box's disk may be used, and how long a committed local copy stays."""

    max_bytes: PositiveInt = 200 * 10**9
    keep_free_bytes: Count = 2 * 10**9
    keep_committed_s: Count = 3600


class AgentBody(_Strict, frozen=True):
    """All that an agent is to do."""

    studio_id: StudioId
    recipient: RecipientKey
    cameras: tuple[CameraConfig, ...] = ()
    recordings: tuple[RecordingOrder, ...] = ()
    upload: UploadPolicy = UploadPolicy()
    spool: SpoolPolicy = SpoolPolicy()


class AgentConfig(_Strict, frozen=True):
    """One numbered state of the desired configuration. `hash` is `document_hash(body)`."""

    agent_id: AgentId
    version: PositiveInt
    hash: Sha256Hex
    body: AgentBody


def in_words_of(protocol: int, body: AgentBody) -> AgentBody:
    """Returns as much of `body` as an agent of version `protocol` understands: it refuses keys that came later."""
    if protocol < UPLOAD_WINDOW_SINCE:
        upload = msgspec.structs.replace(body.upload, window=UNSET)
        body = msgspec.structs.replace(body, upload=upload)
    if protocol < SEALED_TAIL_SINCE and any(camera.sealed_tail is not UNSET for camera in body.cameras):
        # Half an address would be another stream, or a camera that locks the agent out.
        cameras = tuple(camera for camera in body.cameras if camera.sealed_tail is UNSET)
        body = msgspec.structs.replace(body, cameras=cameras)
    return body


def config_document(agent_id: AgentId, version: int, body: AgentBody) -> AgentConfig:
    """Returns `body` as version `version` of the agent's configuration, with its hash."""
    return AgentConfig(agent_id=agent_id, version=version, hash=document_hash(body), body=body)
