"""The timeline and playlists of what links show, rendered once per link and version of its class.

As with `recordings.playback.playback_cache`: whether a viewer may have them is asked before each use and never cached.
"""

import gzip
import json
from dataclasses import dataclass
from uuid import UUID

from control_plane.recordings.playback.playback_cache import (
    GZIP_LEVEL,
    RENDER_THREADS,
    CachedDocument,
    DocumentCache,
    class_version,
)
from control_plane.recordings.playback.playlist import CONTENT_TYPE, write_playlist
from control_plane.recordings.playback.timeline_json import timeline_json
from control_plane.recordings.selectors import class_timeline
from control_plane.sharing.openings import Playing
from control_plane.sharing.part import cut_timeline, shown_fragments

MAX_CACHED_BYTES = 16 << 20
_BYTES_PER_PLACE = 200
"""Approximate memory of one fragment in `fragments`."""


@dataclass(frozen=True, slots=True)
class SharedDocuments:
    """The documents of one link. `fragments`: segment -> places (offset and size, in bytes) of fragments that it shows."""

    timeline: CachedDocument
    playlists: dict[UUID, CachedDocument]
    fragments: dict[UUID, frozenset[tuple[int, int]]]

    @property
    def size_bytes(self) -> int:
        """Approximate memory use."""
        packed = sum(len(item.packed) for item in (self.timeline, *self.playlists.values()))
        return packed + _BYTES_PER_PLACE * sum(map(len, self.fragments.values()))


_cache: DocumentCache[SharedDocuments] = DocumentCache(
    most_bytes=MAX_CACHED_BYTES, makers=RENDER_THREADS, size=lambda documents: documents.size_bytes
)


def shared_documents(playing: Playing) -> SharedDocuments:
    """Returns the documents of a link for the current version of its class.

    Raises:
        Busy: they, or others of the studio, are being rendered.
    """
    link = playing.link
    key = (link.id, link.title, playing.part, class_version(playing.class_session))
    return _cache.get(key, lambda: _render(playing), owner=link.studio_id)


def _render(playing: Playing) -> SharedDocuments:
    link, class_session = playing.link, playing.class_session
    shown = cut_timeline(class_timeline(class_session), playing.part)
    body = timeline_json(class_session, shown, f"/s/{link.public_id}")
    body["class"] |= {"id": link.public_id, "title": link.title}
    playlists = {}
    for track_id, track in shown.tracks.items():
        if shown.start_at is not None and track.placed:
            text = write_playlist(track, start_at=shown.start_at, complete=True)
            playlists[track_id] = _gzipped(text.encode(), CONTENT_TYPE)
    packed = _gzipped(json.dumps(body, separators=(",", ":")).encode(), "application/json")
    return SharedDocuments(packed, playlists, shown_fragments(shown))


def _gzipped(body: bytes, content_type: str) -> CachedDocument:
    return CachedDocument(gzip.compress(body, GZIP_LEVEL, mtime=0), content_type)
