"""Playlists and timelines as they were last written, so that 200 viewers of an hour's class cost one laying out.

What is kept is what anybody who may replay the class is given, word for word; *whether* somebody may is asked before,
each time, and never kept. A document stands under what it was written from: a class to which a segment, a gap or a
fault was added is another version, and the old one is forgotten when its turn comes. Each process keeps its own.
"""

import gzip
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from django.db import connection
from django.http import HttpRequest, HttpResponse

from control_plane.common.scoping import in_scope_sql
from control_plane.recordings.fault_models import SegmentFault
from control_plane.recordings.models import ClassSession, Gap, Segment, Track
from control_plane.recordings.selectors import class_timeline
from control_plane.recordings.timeline import ClassTimeline

V = TypeVar("V")

MOST_LAYOUTS = 6
"""An hour of three cameras is about 4 MB of them."""
MOST_DOCUMENTS = 256
"""An hour of one camera is about 60 kB, packed."""
GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Version:
    """What a class consists of: its state, and its segments, their faults, gaps and tracks by number and by all ids."""

    class_id: UUID
    state: str
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Document:
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


class Kept(Generic[V]):
    """The newest values that were asked for. What several threads ask for at once is made by one of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Returns the value under `key`, made now where there is none. What `make` raises keeps nothing."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            try:
                with self._lock:
                    if key in self._values:
                        return self._values[key]
                value = make()
                with self._lock:
                    self._values[key] = value
                    while len(self._values) > self._most:
                        self._values.popitem(last=False)
                return value
            finally:
                with self._lock:
                    self._making.pop(key, None)


_PARTS = (Segment, SegmentFault, Gap, Track)
_DIGEST = """(SELECT count(*), coalesce(bit_xor(uuid_hash_extended(this.id, 0)), 0)
FROM {table} this WHERE this.class_session_id = %s AND SCOPED) {name}"""
_DIGESTS = "SELECT * FROM " + ", ".join(  # noqa: S608  # names of our own tables
    _DIGEST.format(table=model._meta.db_table, name=model._meta.model_name) for model in _PARTS
)

_layouts: Kept[ClassTimeline] = Kept(MOST_LAYOUTS)
_documents: Kept[Document] = Kept(MOST_DOCUMENTS)


def version_of(class_session: ClassSession) -> Version:
    """Returns what a class consists of now. Rows of footage never change, so which ones there are says everything."""
    scoped, of = in_scope_sql()
    values = [class_session.pk, *of]
    with connection.cursor() as cursor:
        cursor.execute(_DIGESTS.replace("SCOPED", scoped), values * len(_PARTS))
        row = cursor.fetchone()
    return Version(class_session.id, class_session.state, tuple(zip(row[::2], row[1::2], strict=True)))


def layout(class_session: ClassSession, version: Version) -> ClassTimeline:
    """Returns the timeline of a class at `version`; not to be changed by the caller."""
    return _layouts.get(version, lambda: class_timeline(class_session))


def document(key: Hashable, make: Callable[[], bytes], *, content_type: str) -> Document:
    """Returns the document under `key`, written by `make` where there is none.

    Args:
        key: everything that the text depends on, the `Version` among it.
    """
    return _documents.get(key, lambda: Document(gzip.compress(make(), GZIP_LEVEL, mtime=0), content_type))
