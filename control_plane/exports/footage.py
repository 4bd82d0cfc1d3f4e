"""Reads the footage of an export: which fragments, and their bytes, decrypted one by one.

Whether they may be read is asked with every segment, in a transaction of its own; nothing is read before.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from control_plane.common.errors import ControlPlaneError, NotFound
from control_plane.exports.media.angle import Bounds
from control_plane.exports.sources import SourceFragment, SourceSegment
from control_plane.recordings.fragments import FragmentRow
from control_plane.recordings.models import ClassSession, Segment, Track
from control_plane.recordings.playback.views import decrypt_init
from control_plane.recordings.selectors import class_timeline
from control_plane.recordings.timeline import PlacedFragment
from control_plane.storage.objects import ObjectStore


class FootageDamaged(ControlPlaneError):
    """Stored bytes are not those that the agent encrypted."""


@dataclass(frozen=True, slots=True)
class FragmentPlan:
    """A fragment, and the time of its pictures in UTC."""

    row: FragmentRow
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """The wanted fragments of one segment, in order."""

    id: UUID
    fragments: tuple[FragmentPlan, ...]


@dataclass(frozen=True, slots=True)
class AnglePlan:
    """The wanted segments of one camera, in order."""

    track: Track
    segments: tuple[SegmentPlan, ...]

    @property
    def size_bytes(self) -> int:
        """How many bytes of footage it reads."""
        return sum(item.row.size_bytes for segment in self.segments for item in segment.fragments)


@dataclass(frozen=True, slots=True)
class FootagePlan:
    """All that an export reads. `from_at`, `to_at`: the bounds, or the first and last picture; None: there is none."""

    angles: tuple[AnglePlan, ...]
    from_at: datetime | None
    to_at: datetime | None

    @property
    def size_bytes(self) -> int:
        """How many bytes of footage all angles have."""
        return sum(angle.size_bytes for angle in self.angles)

    def size_of(self, segment_id: UUID) -> int:
        """Returns how many bytes of one segment are read."""
        return sum(
            item.row.size_bytes
            for angle in self.angles
            for segment in angle.segments
            if segment.id == segment_id
            for item in segment.fragments
        )


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment that may be read now: its row, its content key, and the store of its object."""

    row: Segment
    content_key: bytes
    store: ObjectStore


OpenedSegment = Callable[[UUID], OpenSegment]
"""Opens a segment, if the export may go on."""


def plan_footage(class_session: ClassSession, track_ids: Sequence[UUID], bounds: Bounds) -> FootagePlan:
    """Returns what an export of a class reads, in studio scope. Damaged segments are left out, as a gap."""
    timeline = class_timeline(class_session)
    tracks = Track.objects.filter(class_session=class_session, pk__in=track_ids).order_by("position", "id")
    angles = tuple(
        AnglePlan(track, _segments(timeline.tracks[track.id].placed, timeline.start_at, bounds))
        for track in tracks
        if track.id in timeline.tracks and timeline.start_at is not None
    )
    shown = [item for angle in angles for segment in angle.segments for item in segment.fragments]
    return FootagePlan(
        tuple(angle for angle in angles if angle.segments),
        bounds.from_at or min((item.from_at for item in shown), default=None),
        bounds.to_at or max((item.to_at for item in shown), default=None),
    )


def read_angle(angle: AnglePlan, opened: OpenedSegment) -> Iterator[SourceSegment]:
    """Yields the footage of one camera.

    Raises:
        FootageDamaged: on reading; stored bytes are not what they should be.
        ControlPlaneError: from `opened`, or the store.
    """
    for plan in angle.segments:
        try:
            segment = opened(plan.id)
        except NotFound:
            # Found damaged, or removed, since the plan: a gap.
            continue
        row, content_key, store = segment.row, segment.content_key, segment.store
        sealed = _read(store, row.object_key, row.init_offset_bytes, row.init_size_bytes)
        yield SourceSegment(
            decrypt_init(row, sealed, content_key),
            [
                SourceFragment(
                    item.from_at,
                    item.to_at,
                    item.row.size_bytes,
                    partial(_plain, store, row.object_key, item.row, content_key),
                )
                for item in plan.fragments
            ],
        )


def _segments(
    placed: Sequence[PlacedFragment], start_at: datetime | None, bounds: Bounds
) -> tuple[SegmentPlan, ...]:
    found: dict[UUID, list[FragmentPlan]] = {}
    for item in placed:
        if item.missing or start_at is None:
            continue
        from_at = start_at + timedelta(microseconds=item.class_us)
        plan = FragmentPlan(item.row, from_at, from_at + timedelta(microseconds=item.duration_us))
        if bounds.touches(plan):
            found.setdefault(item.segment_id, []).append(plan)
    return tuple(SegmentPlan(id_, tuple(fragments)) for id_, fragments in found.items())


def _plain(store: ObjectStore, key: str, row: FragmentRow, content_key: bytes) -> bytes:
    sealed = _read(store, key, row.offset_bytes, row.size_bytes)
    if hashlib.sha256(sealed).hexdigest() != row.sha256:
        raise FootageDamaged
    decryptor = Cipher(algorithms.AES(content_key), modes.CBC(bytes.fromhex(row.iv))).decryptor()
    unpadder = PKCS7(128).unpadder()
    try:
        return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise FootageDamaged from error


def _read(store: ObjectStore, key: str, offset_bytes: int, size_bytes: int) -> bytes:
    with store.open(key, offset_bytes=offset_bytes, size_bytes=size_bytes) as chunks:
        return b"".join(chunks)
