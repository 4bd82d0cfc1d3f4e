"""Caches rendered playlists and timelines, so that 200 viewers of an hour's class cost one rendering.

The cached documents are the same for every viewer; *whether* a viewer may see them is checked before each use and never
cached. The key is the version of the class: a new segment, gap or damage makes another version, and the old one is evicted
later. Each process has its own cache.

One rendering produces all documents of a version, since a player requests all of them. A studio has one rendering in
progress at a time, and all studios together `RENDER_THREADS`; other requests get `Busy` and wait without a thread and
without a database connection.
"""

import gzip
import json
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from django.db import connection
from django.http import HttpRequest, HttpResponse

from control_plane.common.errors import Busy
from control_plane.common.scoping import in_scope_sql
from control_plane.recordings.damage_models import SegmentDamage
from control_plane.recordings.models import ClassSession, Gap, Segment, Track
from control_plane.recordings.playback.playlist import CONTENT_TYPE, write_playlist
from control_plane.recordings.playback.timeline_json import timeline_json
from control_plane.recordings.selectors import class_timeline

CachedT = TypeVar("CachedT")

MAX_CACHED_BYTES = 32 << 20
"""Maximum of all cached documents, compressed. An hour of three cameras is about 0.3 MB, the largest class about 10 MB."""
RENDER_THREADS = 2
"""Classes rendered at a time. The largest class needs about 150 MB while it is rendered."""
GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class ClassVersion:
    """Version of a class: its state, and count and digest of the ids of its segments, damage, gaps and tracks."""

    class_id: UUID
    state: str
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class CachedDocument:
    """A gzip-compressed body; decompressed for clients that do not accept gzip."""

    packed: bytes
    content_type: str

    def response(self, request: HttpRequest) -> HttpResponse:
        """Returns the response for one viewer."""
        takes_packed = "gzip" in request.headers.get("Accept-Encoding", "")
        response = HttpResponse(
            self.packed if takes_packed else gzip.decompress(self.packed), content_type=self.content_type
        )
        if takes_packed:
            response["Content-Encoding"] = "gzip"
        response["Vary"] = "Accept-Encoding, Cookie"
        return response


@dataclass(frozen=True, slots=True)
class ClassDocuments:
    """All documents of one version of a class; tracks without a picture have no playlist."""

    timeline: CachedDocument
    playlists: dict[UUID, CachedDocument]

    @property
    def size_bytes(self) -> int:
        """Approximate memory use."""
        return sum(len(item.packed) for item in (self.timeline, *self.playlists.values()))


class DocumentCache(Generic[CachedT]):
    """A cache of recently used values, each created by one of its callers. Thread-safe.

    Values belong to owners. Beyond `most_bytes` the oldest value of the owner with most bytes is evicted, so no owner evicts
    the values of a smaller one. One value per owner is created at a time.

    Args:
        most_bytes: maximum of all values together.
        makers: maximum number of values created at a time.
        size: returns the size of a value, in bytes.
    """

    def __init__(self, *, most_bytes: int, makers: int, size: Callable[[CachedT], int]) -> None:
        self._most_bytes, self._makers, self._size = most_bytes, makers, size
        self._values: OrderedDict[Hashable, tuple[CachedT, Hashable, int]] = OrderedDict()
        self._held_bytes: defaultdict[Hashable, int] = defaultdict(int)
        self._making: dict[Hashable, Future[None]] = {}
        """By owner; each future completes when its value is created."""
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """The size of all cached values."""
        return sum(self._held_bytes.values())

    def get(self, key: Hashable, make: Callable[[], CachedT], *, owner: Hashable) -> CachedT:
        """Returns the value of `key`; creates it with `make` if it is missing. If `make` raises, nothing is cached.

        Raises:
            Busy: a value of the owner (usually this one) or the maximum number of values is being created.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            before = self._making.get(owner)
            if before is None and len(self._making) >= self._makers:
                before = next(iter(self._making.values()))
            if before is not None:
                raise Busy("The timeline of this class is being prepared.", retry_after_s=1, until=before)
            done = self._making[owner] = Future()
        try:
            value = make()
            self._keep(key, value, owner)
            return value
        finally:
            with self._lock:
                del self._making[owner]
            done.set_result(None)

    def _keep(self, key: Hashable, value: CachedT, owner: Hashable) -> None:
        size_bytes = self._size(value)
        with self._lock:
            self._values[key] = value, owner, size_bytes
            self._held_bytes[owner] += size_bytes
            while self.held_bytes > self._most_bytes:
                largest = max(self._held_bytes, key=self._held_bytes.__getitem__)
                oldest = next(key for key, (_, holder, _) in self._values.items() if holder == largest)
                _, _, freed_bytes = self._values.pop(oldest)
                self._held_bytes[largest] -= freed_bytes
                if not self._held_bytes[largest]:
                    del self._held_bytes[largest]


_PARTS = (Segment, SegmentDamage, Gap, Track)
_DIGEST = """(SELECT count(*), coalesce(bit_xor(uuid_hash_extended(this.id, 0)), 0)
FROM {table} this WHERE this.class_session_id = %s AND SCOPED) {name}"""
_DIGESTS = "SELECT * FROM " + ", ".join(  # noqa: S608  # names of our own tables
    _DIGEST.format(table=model._meta.db_table, name=model._meta.model_name) for model in _PARTS
)

_cache: DocumentCache[ClassDocuments] = DocumentCache(
    most_bytes=MAX_CACHED_BYTES, makers=RENDER_THREADS, size=lambda documents: documents.size_bytes
)


def class_version(class_session: ClassSession) -> ClassVersion:
    """Returns the current version of a class. Rows of footage never change, so their ids identify the content."""
    scoped, of = in_scope_sql()
    values = [class_session.pk, *of]
    with connection.cursor() as cursor:
        cursor.execute(_DIGESTS.replace("SCOPED", scoped), values * len(_PARTS))
        row = cursor.fetchone()
    return ClassVersion(class_session.id, class_session.state, tuple(zip(row[::2], row[1::2], strict=True)))


def class_documents(class_session: ClassSession, *, folder: str) -> ClassDocuments:
    """Returns the documents of the current version of a class, rendered if they are not cached.

    Args:
        folder: the URL of the class, which the URLs of its playlists start with.

    Raises:
        Busy: they, or others of the studio, are being rendered.
    """
    # The timeline also contains columns of the class itself.
    key = (class_version(class_session), class_session.title, class_session.started_at, folder)
    return _cache.get(key, lambda: _render(class_session, folder), owner=class_session.studio_id)


def _render(class_session: ClassSession, folder: str) -> ClassDocuments:
    laid = class_timeline(class_session)
    body = timeline_json(class_session, laid, folder)
    playlists = {}
    for track_id, track in laid.tracks.items():
        if laid.start_at is not None and track.placed:
            text = write_playlist(track, start_at=laid.start_at, complete=class_session.has_ended)
            playlists[track_id] = _gzipped(text.encode(), CONTENT_TYPE)
    return ClassDocuments(
        _gzipped(json.dumps(body, separators=(",", ":")).encode(), "application/json"), playlists
    )


def _gzipped(body: bytes, content_type: str) -> CachedDocument:
    return CachedDocument(gzip.compress(body, GZIP_LEVEL, mtime=0), content_type)
