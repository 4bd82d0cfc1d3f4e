"""Playlists and timelines as they were last written, so that 200 viewers of an hour's class cost one laying out.

What is kept is what anybody who may replay the class is given, word for word; *whether* somebody may is asked before,
each time, and never kept. The documents of a class stand under what they were written from: a class to which a segment,
a gap or a fault was added is another version, and the old one is forgotten when its turn comes. Each process keeps its
own.

One laying out writes all documents of a version, since a player asks for all of them. A studio has one under way at a
time, and all studios together `MAKERS`; whoever comes meanwhile is told to come again (`Busy`) and holds neither a
thread nor a database connection until then.
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
"""Of all documents kept, packed. An hour of three cameras is about 0.3 MB, the largest class about 10 MB."""
RENDER_THREADS = 2
"""Documents of this many classes are written at a time. The largest class takes about 150 MB while it is laid out."""
GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class ClassVersion:
    """What a class consists of: its state, and its segments, their faults, gaps and tracks by number and by all ids."""

    class_id: UUID
    state: str
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class CachedDocument:
    """A body, packed; who does not take it so gets it unpacked."""

    packed: bytes
    content_type: str

    def response(self, request: HttpRequest) -> HttpResponse:
        """Returns the answer to one viewer."""
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
        """How much memory they take, near enough."""
        return sum(len(item.packed) for item in (self.timeline, *self.playlists.values()))


class DocumentCache(Generic[CachedT]):
    """The newest values that were asked for, each made by one of those who ask; used by many threads.

    Values belong to owners. Where they are too many bytes, the owner of most gives up its oldest: nobody's values are
    pushed out by what somebody else asks for. An owner has one value made at a time.

    Args:
        most_bytes: of all values together.
        makers: how many values are made at a time.
        size: of a value, in bytes.
    """

    def __init__(self, *, most_bytes: int, makers: int, size: Callable[[CachedT], int]) -> None:
        self._most_bytes, self._makers, self._size = most_bytes, makers, size
        self._values: OrderedDict[Hashable, tuple[CachedT, Hashable, int]] = OrderedDict()
        self._held_bytes: defaultdict[Hashable, int] = defaultdict(int)
        self._making: dict[Hashable, Future[None]] = {}
        """By owner; settled when there is room for another."""
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """How much is kept now."""
        return sum(self._held_bytes.values())

    def get(self, key: Hashable, make: Callable[[], CachedT], *, owner: Hashable) -> CachedT:
        """Returns the value under `key`, made now where there is none. What `make` raises keeps nothing.

        Raises:
            Busy: another value of the owner is being made (this one, as a rule), or as many as may be at once.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            before = self._making.get(owner)
            if before is None and len(self._making) >= self._makers:
                before = next(iter(self._making.values()))
            if before is not None:
                raise Busy("This class is being laid out.", retry_after_s=1, until=before)
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
    """Returns what a class consists of now. Rows of footage never change, so which ones there are says everything."""
    scoped, of = in_scope_sql()
    values = [class_session.pk, *of]
    with connection.cursor() as cursor:
        cursor.execute(_DIGESTS.replace("SCOPED", scoped), values * len(_PARTS))
        row = cursor.fetchone()
    return ClassVersion(class_session.id, class_session.state, tuple(zip(row[::2], row[1::2], strict=True)))


def class_documents(class_session: ClassSession, *, folder: str) -> ClassDocuments:
    """Returns the documents of a class as it is now, written where nobody has asked for them before.

    Args:
        folder: the address of the class, under which its playlists lie.

    Raises:
        Busy: they, or others of the studio, are being written.
    """
    # The timeline also tells what stands in the row of the class itself.
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
