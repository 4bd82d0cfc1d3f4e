"""Formats of a track, and the mapping of its media clock to UTC."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

PositiveInt = Annotated[int, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0)]
Instant = Annotated[datetime, Meta(tz=True)]
"""With a time zone, without which it cannot be compared. Manifests and gaps come in batches and do not use this type: a
missing zone refuses the one item by name, not the batch (`control_plane.ingest.manifests`)."""
Sha256Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class VideoFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Video format of a track: `codec` is `h264` or `h265`, `codec_string` its RFC 6381 name (`avc1.64001f`)."""

    codec: Annotated[str, Meta(pattern="^(h264|h265)$")]
    codec_string: str
    width: PositiveInt
    height: PositiveInt
    fps: Annotated[float, Meta(gt=0)]


class AudioFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Audio format of a track, always AAC; `transcoded_from` names the camera's codec if it was another one."""

    codec_string: str
    sample_rate_hz: PositiveInt
    channels: PositiveInt
    transcoded_from: str = ""


class ClockMethod(StrEnum):
    """Method that mapped a track's media clock to UTC, best first."""

    RTCP_SR = "rtcp_sr"
    ARRIVAL = "arrival"


class ClockEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """The line that maps media time to UTC, and its error bound.

    `utc(pts) = anchor_at + (pts - anchor_pts_90k) / 90000 s * (1 + rate_ppb / 1e9)`, good within `error_bound_us` over
    the segment that carries it. `provisional`: a better line for the same run may follow in a later segment;
    readers prefer the first line of the run that is not provisional. A changed date never moves media.
    """

    method: ClockMethod
    anchor_pts_90k: int
    anchor_at: datetime
    rate_ppb: int
    error_bound_us: Count
    provisional: bool
