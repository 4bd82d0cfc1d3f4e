"""The three steps of an upload: intent, PUT, commit; and the report of gaps, which have no bytes."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, GapId, SegmentId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.media import Count, Instant, PositiveInt, Sha256Hex

BATCH_LIMIT = 64
TARGET_LIFETIME_S = 900


class IntentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Announces segments; a repeated announcement is harmless."""

    manifests: Annotated[tuple[SegmentManifest, ...], Meta(min_length=1, max_length=BATCH_LIMIT)]


class PutTarget(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="put"):
    """Target of the bytes: a PUT with exactly these headers, before `expires_at`. Commit after 200, 201, 204 or 412."""

    segment_id: SegmentId
    url: str
    headers: dict[str, str]
    expires_at: Instant


class AlreadyCommitted(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="committed"):
    """The control plane has this segment: the local copy can be deleted after its minimum age."""

    segment_id: SegmentId


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="refused"):
    """This segment is refused; the others of the batch are not affected."""

    segment_id: SegmentId
    code: Code
    detail: str = ""
    retryable: bool = False


class IntentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer for each manifest, in the order of the request."""

    answers: tuple[PutTarget | AlreadyCommitted | Refused, ...]


class CommitItem(msgspec.Struct, frozen=True, kw_only=True):
    """States that the bytes of this segment are in the store."""

    segment_id: SegmentId
    size_bytes: PositiveInt
    sha256: Sha256Hex


class CommitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Requests receipts."""

    items: Annotated[tuple[CommitItem, ...], Meta(min_length=1, max_length=BATCH_LIMIT)]


class CommitAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One receipt or refusal for each item, in the order of the request."""

    answers: tuple[AlreadyCommitted | Refused, ...]


class GapsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Reports gaps; a repeated report is harmless."""

    gaps: Annotated[tuple[GapRecord, ...], Meta(min_length=1, max_length=BATCH_LIMIT)]


class GapsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The gaps that need no further report: recorded, or of a class that this agent does not record."""

    settled: tuple[GapId, ...]


class TrackTally(msgspec.Struct, frozen=True, kw_only=True):
    """Segments and gaps of one class on the agent. With nothing pending, the control plane has all of them."""

    class_session_id: ClassSessionId
    segments_made: Count
    segments_pending: Count
    gaps_pending: Count
