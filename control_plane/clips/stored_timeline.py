"""The stored form of what a clip shows; pure.

It is written when the clip is made. To cut the class again at each view would move the bounds: when the class is gone, the
segments that settled its clock may be gone too.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from control_plane.recordings.coverage import UncoveredSpan
from control_plane.recordings.fragments import FragmentRow
from control_plane.recordings.timeline import ClassTimeline, Filler, PlacedFragment, TrackTimeline


class _Fragment(msgspec.Struct, array_like=True, tag="f"):
    segment: int
    offset_bytes: int
    class_us: int
    duration_us: int
    playlist_us: int
    extinf_us: int
    discontinuity: bool


class _Filler(msgspec.Struct, array_like=True, tag="g"):
    playlist_us: int
    extinf_us: int
    class_us: int


class _Span(msgspec.Struct, array_like=True):
    from_us: int
    to_us: int
    reason: str
    detail: str


class _Track(msgspec.Struct):
    entries: list[_Fragment | _Filler]
    uncovered: list[_Span]


class _Stored(msgspec.Struct):
    start_at: datetime
    duration_us: int
    segments: list[UUID]
    tracks: dict[UUID, _Track]


class StoredSegment(msgspec.Struct, frozen=True):
    """The columns of a segment's row that its fragments need. `is_damaged`: it has no picture now."""

    init_sha256: str
    fragments: tuple[FragmentRow, ...]
    is_damaged: bool = False


def encode_timeline(timeline: ClassTimeline) -> str:
    """Returns a timeline, which has a picture, as JSON."""
    if timeline.start_at is None:
        raise ValueError("a clip without a picture")
    segments: dict[UUID, int] = {}
    tracks = {}
    for track in timeline.tracks.values():
        entries: list[_Fragment | _Filler] = []
        for item in track.entries:
            if isinstance(item, PlacedFragment):
                number = segments.setdefault(item.segment_id, len(segments))
                entries.append(
                    _Fragment(
                        number,
                        item.row.offset_bytes,
                        item.class_us,
                        item.duration_us,
                        item.playlist_us,
                        item.extinf_us,
                        item.discontinuity,
                    )
                )
            else:
                entries.append(_Filler(item.playlist_us, item.extinf_us, item.class_us))
        spans = [_Span(one.from_us, one.to_us, str(one.reason), one.detail) for one in track.uncovered]
        tracks[track.id] = _Track(entries, spans)
    stored = _Stored(timeline.start_at, timeline.duration_us, list(segments), tracks)
    return msgspec.json.encode(stored).decode()


def decode_timeline(text: str, segments: Mapping[UUID, StoredSegment]) -> ClassTimeline:
    """Returns the timeline of `encode_timeline`. Fragments of segments that are missing or damaged become fillers.

    Args:
        segments: the rows of its segments, by id.
    """
    stored = _DECODER.decode(text)
    tracks = {}
    for id_, track in stored.tracks.items():
        entries = [_entry(item, stored.segments, segments) for item in track.entries]
        spans = [UncoveredSpan(one.from_us, one.to_us, one.reason, one.detail) for one in track.uncovered]
        tracks[id_] = TrackTimeline(id_, entries, spans)
    return ClassTimeline(stored.start_at, stored.duration_us, tracks)


def _entry(
    item: _Fragment | _Filler, ids: list[UUID], segments: Mapping[UUID, StoredSegment]
) -> PlacedFragment | Filler:
    if isinstance(item, _Filler):
        return Filler(item.playlist_us, item.extinf_us, item.class_us)
    segment_id = ids[item.segment]
    segment = segments.get(segment_id)
    rows = segment.fragments if segment and not segment.is_damaged else ()
    row = next((one for one in rows if one.offset_bytes == item.offset_bytes), None)
    if segment is None or row is None:
        return Filler(item.playlist_us, item.extinf_us, item.class_us)
    return PlacedFragment(
        segment_id,
        segment.init_sha256,
        row,
        item.class_us,
        item.duration_us,
        discontinuity=item.discontinuity,
        playlist_us=item.playlist_us,
        extinf_us=item.extinf_us,
    )


_DECODER = msgspec.json.Decoder(_Stored)
