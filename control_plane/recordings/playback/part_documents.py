"""The timeline and playlists of a part of a class, as clips and share links show it.

As with `playback_cache`: whether a viewer may have them is asked before each use and never cached.
"""

import gzip
import json
from dataclasses import dataclass
from uuid import UUID

from control_plane.recordings.models import ClassSession
from control_plane.recordings.part import shown_fragments
from control_plane.recordings.playback.playback_cache import (
    GZIP_LEVEL,
    RENDER_THREADS,
    CachedDocument,
    DocumentCache,
)
from control_plane.recordings.playback.playlist import CONTENT_TYPE, write_playlist
from control_plane.recordings.playback.timeline_json import timeline_json
from control_plane.recordings.timeline import ClassTimeline

MAX_CACHED_BYTES = 16 << 20
_BYTES_PER_PLACE = 200
"""Approximate memory of one fragment in `fragments`."""


@dataclass(frozen=True, slots=True)
class PartDocuments:
    """The documents of one part. `fragments`: segment -> places (offset and size, in bytes) of fragments that it shows."""

    timeline: CachedDocument
    playlists: dict[UUID, CachedDocument]
    fragments: dict[UUID, frozenset[tuple[int, int]]]

    @property
    def size_bytes(self) -> int:
        """Approximate memory use."""
        packed = sum(len(item.packed) for item in (self.timeline, *self.playlists.values()))
        return packed + _BYTES_PER_PLACE * sum(map(len, self.fragments.values()))


@dataclass(frozen=True, slots=True)
class Shown:
    """Names of the part in its documents: its folder (the URL below which it plays), its id, and its title."""

    folder: str
    id: str
    title: str


def part_cache() -> DocumentCache[PartDocuments]:
    """Returns a cache for the documents of one kind of part."""
    return DocumentCache(
        most_bytes=MAX_CACHED_BYTES, makers=RENDER_THREADS, size=lambda documents: documents.size_bytes
    )


def render_part(class_session: ClassSession, timeline: ClassTimeline, shown: Shown) -> PartDocuments:
    """Returns the documents of a timeline that was cut to what may be shown."""
    body = timeline_json(class_session, timeline, shown.folder)
    body["class"] |= {"id": shown.id, "title": shown.title}
    playlists = {}
    for track_id, track in timeline.tracks.items():
        if timeline.start_at is not None and track.placed:
            text = write_playlist(track, start_at=timeline.start_at, complete=True)
            playlists[track_id] = _gzipped(text.encode(), CONTENT_TYPE)
    packed = _gzipped(json.dumps(body, separators=(",", ":")).encode(), "application/json")
    return PartDocuments(packed, playlists, shown_fragments(timeline))


def _gzipped(body: bytes, content_type: str) -> CachedDocument:
    return CachedDocument(gzip.compress(body, GZIP_LEVEL, mtime=0), content_type)
