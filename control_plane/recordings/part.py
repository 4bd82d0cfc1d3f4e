"""The part of a timeline that a clip or a link shows: some cameras, between two instants; pure.

A fragment is the unit: one that reaches beyond the bounds is left out, so nothing outside of them is ever shown. At each end
up to the length of a fragment (about 2 s) is missing.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from control_plane.recordings.coverage import UncoveredSpan, find_uncovered
from control_plane.recordings.gap_reasons import InferredReason
from control_plane.recordings.timeline import ClassTimeline, Filler, PlacedFragment, TrackTimeline

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Part:
    """The stretch and the cameras of a class that are shown. `from_at`, `to_at` None: its start, its end."""

    track_ids: frozenset[UUID]
    from_at: datetime | None = None
    to_at: datetime | None = None


def cut_timeline(whole: ClassTimeline, part: Part) -> ClassTimeline:
    """Returns the timeline of a part. Its time 0 is the first picture of the part, on whatever camera."""
    tracks = {id_: track for id_, track in whole.tracks.items() if id_ in part.track_ids}
    if whole.start_at is None:
        return ClassTimeline(None, 0, {id_: TrackTimeline(id_) for id_ in tracks})
    from_us = 0 if part.from_at is None else (part.from_at - whole.start_at) // MICROSECOND
    to_us = whole.duration_us if part.to_at is None else (part.to_at - whole.start_at) // MICROSECOND
    kept = {id_: _inside(track, from_us, to_us) for id_, track in tracks.items()}
    shown = {id_: [item for item in items if isinstance(item, PlacedFragment)] for id_, items in kept.items()}
    firsts = [items[0].class_us for items in shown.values() if items]
    if not firsts:
        return ClassTimeline(None, 0, {id_: TrackTimeline(id_) for id_ in tracks})
    zero_us = min(firsts)
    end_us = max(item.class_us + item.duration_us for items in shown.values() for item in items)
    return ClassTimeline(
        whole.start_at + timedelta(microseconds=zero_us),
        end_us - zero_us,
        {id_: _moved(track, kept[id_], zero_us, end_us) for id_, track in tracks.items()},
    )


def shown_fragments(timeline: ClassTimeline) -> dict[UUID, frozenset[tuple[int, int]]]:
    """Returns for each segment that a timeline shows the places of its fragments: offset and size in bytes."""
    found: dict[UUID, set[tuple[int, int]]] = {}
    for track in timeline.tracks.values():
        for item in track.placed:
            found.setdefault(item.segment_id, set()).add((item.row.offset_bytes, item.row.size_bytes))
    return {segment_id: frozenset(places) for segment_id, places in found.items()}


def is_shown(first: int, last: int, places: Collection[tuple[int, int]]) -> bool:
    """Returns whether the bytes `first` to `last`, inclusive, lie in one of the shown fragments of a segment."""
    return any(offset <= first and last < offset + size for offset, size in places)


def _inside(track: TrackTimeline, from_us: int, to_us: int) -> list[PlacedFragment | Filler]:
    """Returns the entries from the first to the last fragment that lies inside the bounds as a whole."""
    places = [
        index
        for index, item in enumerate(track.entries)
        if isinstance(item, PlacedFragment)
        and from_us <= item.class_us
        and item.class_us + item.duration_us <= to_us
    ]
    return track.entries[places[0] : places[-1] + 1] if places else []


def _moved(
    track: TrackTimeline, kept: Collection[PlacedFragment | Filler], zero_us: int, end_us: int
) -> TrackTimeline:
    entries: list[PlacedFragment | Filler] = []
    back_us = 0
    for item in kept:
        if not entries:
            # Playlist time begins with class time at the first fragment; later they drift as in the whole class.
            back_us = item.playlist_us - (item.class_us - zero_us)
            if item.class_us > zero_us:
                entries.append(Filler(0, item.class_us - zero_us, 0))
        moved = replace(item, playlist_us=item.playlist_us - back_us, class_us=item.class_us - zero_us)
        if isinstance(moved, PlacedFragment) and all(isinstance(one, Filler) for one in entries):
            moved.discontinuity = False
        entries.append(moved)
    gaps = [
        UncoveredSpan(span.from_us - zero_us, span.to_us - zero_us, span.reason, span.detail)
        for span in track.uncovered
        if span.to_us > zero_us and span.from_us < end_us
    ]
    covered = [
        (item.class_us, item.class_us + item.duration_us)
        for item in entries
        if isinstance(item, PlacedFragment)
    ]
    uncovered = find_uncovered(covered, gaps, end_us - zero_us, InferredReason.KEY_FRAME)
    return TrackTimeline(track.id, entries, uncovered)
