"""Serves playback of one class to one viewer: timeline, playlists, init sections, keys, bytes, and the access check.

Each request checks access again, so a revoked permission takes effect with the next fragment. Earlier responses are
bounded too: a redirect to the store is valid for `PRESIGNED_LIFETIME`, and a response longer than a fragment is authorized
again while it is sent. The studio in the URL is in scope (`identity.middleware`); strangers got a 404 there.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from functools import partial, wraps
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from django.db import connection
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.views.decorators.http import require_safe

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.errors import Busy, ControlPlaneError, NotFound, SignInRequired
from control_plane.common.fair_threads import FairThreads
from control_plane.common.problems import error_response
from control_plane.common.result_cache import ResultCache
from control_plane.common.rows import fetch_one
from control_plane.common.scoping import studio_scope
from control_plane.keys import vault
from control_plane.keys.errors import KeyDestroyed
from control_plane.recordings.damage_models import SegmentDamage
from control_plane.recordings.models import ClassSession, Replay, Segment
from control_plane.recordings.permissions import REPLAY
from control_plane.recordings.playback.playback_cache import class_documents
from control_plane.recordings.playback.ranges import ByteRange, Unsatisfiable, parse_range
from control_plane.recordings.playback.view_sessions import REPLAY_KEYS, touch_replay
from control_plane.recordings.segment_factory import MAX_INIT_BYTES
from control_plane.storage.objects import ObjectStore
from control_plane.storage.stores import open_store
from shared.protocol.errors import Code

PRESIGNED_LIFETIME = timedelta(seconds=4)
"""Measured by the store's clock: if it is slow, the URL is valid longer by the difference. The probe warns of that."""
BUFFERED_RESPONSE_BYTES = 1 << 20
"""A response up to this size (a fragment of 2 s at 4 Mb/s) is sent in one piece, and is in memory until the slowest
client has read it. A larger one is sent in chunks, each read from the store after the client took the one before."""
_DAMAGED_INIT = "The init section of this segment is damaged. Its camera cannot be played here."
REAUTHORIZE_EVERY_S = 2.0
"""Interval at which a streamed response is authorized again."""
READERS, READERS_PER_STUDIO = 16, 4
"""Threads for streamed responses and for studios' own stores; a slow store delays only its own studio."""
STORE_READ_TIMEOUT_S = 0.5
"""How long the thread of a request waits for a small read from a studio's own store."""
_readers = FairThreads("playback", threads=READERS, of_one=READERS_PER_STUDIO)
_reads_in_progress: ResultCache[Future[bytes]] = ResultCache(most=64, for_s=30.0)
"""Small reads in progress, at most `BUFFERED_RESPONSE_BYTES` each."""
SEGMENT_COLUMNS = (
    "id",
    "studio",
    "class_session",
    "track",
    "store",
    "object_key",
    "size_bytes",
    "wrapped_key",
    "init_offset_bytes",
    "init_size_bytes",
    "init_iv",
)
_UNDAMAGED = (
    f"NOT EXISTS (SELECT 1 FROM {SegmentDamage._meta.db_table} fault WHERE fault.segment_id = this.id)"  # noqa: S608  # a table of ours
)
"""Damaged bytes are never served, not even to a page whose playlist is older than the damage."""

View = Callable[..., HttpResponseBase]


def _playback_view(function: Callable[..., HttpResponseBase]) -> View:
    """Turns a function of request, actor and class into a view whose responses are never cached.

    The function checks access itself, once per request, because 200 viewers send 400 requests a second: footage by
    `touch_replay`, which also audits it; everything else by `_require`.
    """

    @require_safe
    @wraps(function)
    def view(request: HttpRequest, slug: str, class_id: UUID, **kwargs: Any) -> HttpResponseBase:
        try:
            actor = access.require_signed_in(request.user)
            class_session = fetch_one(ClassSession, "this.id = %s", [class_id])
            if class_session is None:
                raise NotFound
            if not class_session.wrapped_key:
                _require(actor, class_session)
                raise KeyDestroyed(
                    "The recording of this class was destroyed. It cannot be replayed any more."
                )
            response = function(request, actor, class_session, **kwargs)
        except ControlPlaneError as error:
            # A player needs problem+json with status and code, whatever the Accept header is.
            response = error_response(error, request)
        response["Cache-Control"] = "no-store"
        return response

    return view


@_playback_view
def check(request: HttpRequest, actor: Actor, class_session: ClassSession) -> HttpResponseBase:
    """Returns by its status whether the viewer still has access; an open page polls it while it plays loaded footage.

    The response contains nothing of the class, so it is not audited.
    """
    _require(actor, class_session)
    return HttpResponse(status=204)


@_playback_view
def timeline(request: HttpRequest, actor: Actor, class_session: ClassSession) -> HttpResponseBase:
    """Serves `timeline.json` of a class."""
    _require(actor, class_session)
    return class_documents(class_session, folder=_folder(request)).timeline.response(request)


@_playback_view
def playlist(
    request: HttpRequest, actor: Actor, class_session: ClassSession, track_id: UUID
) -> HttpResponseBase:
    """Serves the HLS playlist of one track."""
    authorization = _require(actor, class_session)
    folder = _folder(request).removesuffix(f"/tracks/{track_id}")
    written = class_documents(class_session, folder=folder).playlists.get(track_id)
    if written is None:
        raise NotFound("This track has no picture.")
    touch_replay(class_session, authorization=authorization)
    return written.response(request)


@_playback_view
def init(
    request: HttpRequest, actor: Actor, class_session: ClassSession, track_id: UUID, segment_id: UUID
) -> HttpResponseBase:
    """Serves the init section of a segment decrypted: it contains formats, no picture."""
    segment = playable_segment(class_session, segment_id, track_id=track_id)
    authorization = _require(actor, class_session)
    replay = touch_replay(class_session, authorization=authorization)
    # Read before opening the key: its audit event locks the studio's chain, and the store may be slow.
    sealed = read_sealed_init(segment)
    content_key = _content_key(segment, class_session, authorization, replay)
    plain = decrypt_init(segment, sealed, content_key)
    return HttpResponse(plain, content_type="video/mp4")


@_playback_view
def key(
    request: HttpRequest, actor: Actor, class_session: ClassSession, segment_id: UUID
) -> HttpResponseBase:
    """Serves the content key of a segment, after the replay is audited."""
    segment = playable_segment(class_session, segment_id)
    authorization = _require(actor, class_session)
    replay = touch_replay(class_session, authorization=authorization)
    content_key = _content_key(segment, class_session, authorization, replay)
    return HttpResponse(content_key, content_type="application/octet-stream")


@_playback_view
def content(
    request: HttpRequest, actor: Actor, class_session: ClassSession, segment_id: UUID
) -> HttpResponseBase:
    """Serves the ciphertext of a segment or of a range of it, or redirects to a presigned URL of the store."""
    segment = playable_segment(class_session, segment_id)
    touch_replay(class_session, authorization=_require(actor, class_session))
    try:
        part = parse_range(range_of(request), segment.size_bytes)
    except Unsatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{segment.size_bytes}"})
    if request.method == "HEAD":
        # Presigned URLs permit GET only; HEAD is answered here.
        return with_length(HttpResponse(content_type="video/mp4"), part, segment.size_bytes)
    signed = open_store(segment.store_id).presign_get(segment.object_key, lifetime=PRESIGNED_LIFETIME)
    if signed is not None:
        return HttpResponseRedirect(signed.url)
    whole = part or ByteRange(0, segment.size_bytes - 1, segment.size_bytes)
    response: HttpResponseBase
    if whole.size_bytes <= BUFFERED_RESPONSE_BYTES:
        data = read_buffered(segment, whole.first, whole.size_bytes)
        response = HttpResponse(data, content_type="video/mp4")
    else:
        chunks = _read(segment, whole.first, whole.size_bytes)
        response = StreamingHttpResponse(
            _stream_while_authorized(
                lambda: _reauthorize(request, actor, class_session), chunks, segment.studio_id
            ),
            content_type="video/mp4",
        )
    return with_length(response, part, segment.size_bytes)


def read_sealed_init(segment: Segment) -> bytes:
    """Returns the encrypted init section of a segment.

    Raises:
        ControlPlaneError: it is larger than any init section.
        Busy: as `read_buffered`.
    """
    if segment.init_size_bytes > MAX_INIT_BYTES:  # older than the limit: do not read it
        raise ControlPlaneError(_DAMAGED_INIT, code=Code.SEGMENT_CORRUPT)
    return read_buffered(segment, segment.init_offset_bytes, segment.init_size_bytes)


def decrypt_init(segment: Segment, sealed: bytes, content_key: bytes) -> bytes:
    """Returns the init section of a segment in clear.

    Raises:
        ControlPlaneError: its padding or length is wrong.
    """
    decryptor = Cipher(algorithms.AES(content_key), modes.CBC(bytes(segment.init_iv))).decryptor()
    unpadder = PKCS7(128).unpadder()
    try:
        return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        # Invalid padding or length: the server could not check what the agent encrypted.
        raise ControlPlaneError(_DAMAGED_INIT, code=Code.SEGMENT_CORRUPT) from error


def _folder(request: HttpRequest) -> str:
    return request.path.rpartition("/")[0]


def range_of(request: HttpRequest) -> str:
    """Returns the `Range` header that counts; empty: the whole object."""
    # The server sends neither ETags nor dates, so an If-Range condition never matches: send the whole object.
    return "" if "If-Range" in request.headers else request.headers.get("Range", "")


def with_length(response: HttpResponseBase, part: ByteRange | None, size_bytes: int) -> HttpResponseBase:
    """Sets the headers of a response with all, or a part, of `size_bytes`; returns it."""
    response["Accept-Ranges"] = "bytes"
    response["Content-Length"] = str(part.size_bytes if part else size_bytes)
    if part:
        response.status_code = 206
        response["Content-Range"] = str(part)
    return response


async def _stream_while_authorized(
    reauthorize: Callable[[], None], chunks: Iterator[bytes], studio_id: UUID
) -> AsyncIterator[bytes]:
    """Yields chunks; aborts the response if `reauthorize` raises, which is called every `REAUTHORIZE_EVERY_S`."""
    checked_s = time.monotonic()
    # A few threads per studio: a store that returns a byte at a time delays only its own studio.
    more = partial(next, chunks, b"")
    while chunk := await asyncio.wrap_future(_readers.submit(studio_id, [more])[0]):
        if time.monotonic() - checked_s >= REAUTHORIZE_EVERY_S:
            await sync_to_async(reauthorize, thread_sensitive=False)()
            checked_s = time.monotonic()
        yield chunk


def _reauthorize(request: HttpRequest, actor: Actor, class_session: ClassSession) -> None:
    """Checks that the request would still be served: signed in, with permission, class not destroyed.

    Raises:
        SignInRequired, NotFound, Forbidden, KeyDestroyed: it would be refused.
    """
    try:
        if not request.session.exists(request.session.session_key or ""):
            raise SignInRequired
        with studio_scope(class_session.studio_id):
            access.require(actor, REPLAY, class_session)
            if not ClassSession.objects.filter(pk=class_session.pk).exclude(wrapped_key=b"").exists():
                raise KeyDestroyed
    finally:
        connection.close()


def _require(actor: Actor, class_session: ClassSession) -> access.Authorization:
    return access.require(actor, REPLAY, class_session)


def playable_segment(
    class_session: ClassSession,
    segment_id: UUID,
    *,
    track_id: UUID | None = None,
    columns: tuple[str, ...] = SEGMENT_COLUMNS,
) -> Segment:
    """Returns an undamaged segment of a class.

    Args:
        columns: those that are read; the fragments are most of a row and rarely needed.

    Raises:
        NotFound: the class (or the track) has no such segment, or it is damaged.
    """
    where, values = "this.id = %s AND this.class_session_id = %s", [segment_id, class_session.pk]
    where = f"{where} AND {_UNDAMAGED}"
    if track_id is not None:
        where, values = f"{where} AND this.track_id = %s", [*values, track_id]
    segment = fetch_one(Segment, where, values, only=columns)
    if segment is None:
        raise NotFound
    return segment


def _content_key(
    segment: Segment, class_session: ClassSession, authorization: access.Authorization, replay: Replay
) -> bytes:
    with vault.release_keys(
        authorization.actor,
        REPLAY_KEYS,
        class_session,
        entry_id=replay.entry_id,
        authorization=authorization,
    ) as release:
        return release.content_key(bytes(segment.wrapped_key), segment_id=segment.id)


def read_buffered(segment: Segment, offset_bytes: int, size_bytes: int) -> bytes:
    """Returns a small part of a segment.

    Raises:
        Busy: a studio's own store did not answer within `STORE_READ_TIMEOUT_S`. The read continues for the retry.
    """
    if segment.store_id is None:
        return b"".join(_read(segment, offset_bytes, size_bytes))
    name = (segment.store_id, segment.object_key, offset_bytes, size_bytes)
    reading = _reads_in_progress.get(name)
    if reading is None:
        chunks = _read(segment, offset_bytes, size_bytes)
        (reading,) = _readers.submit(segment.studio_id, [lambda: b"".join(chunks)])
        _reads_in_progress.put(name, reading)
    try:
        data = reading.result(STORE_READ_TIMEOUT_S)
    except TimeoutError as error:
        until: Future[None] = Future()
        reading.add_done_callback(lambda _: until.set_result(None))
        raise Busy("The store has not answered yet.", retry_after_s=2, until=until) from error
    except BaseException:
        _reads_in_progress.forget(name)
        raise
    _reads_in_progress.forget(name)
    return data


def _read(segment: Segment, offset_bytes: int, size_bytes: int) -> Iterator[bytes]:
    # Open the store now, in scope: the chunks may be read after the scope has ended.
    return _chunks(open_store(segment.store_id), segment.object_key, offset_bytes, size_bytes)


def _chunks(store: ObjectStore, object_key: str, offset_bytes: int, size_bytes: int) -> Iterator[bytes]:
    with store.open(object_key, offset_bytes=offset_bytes, size_bytes=size_bytes) as chunks:
        yield from chunks
