"""Playback of one class for one viewer: timeline, playlists, init sections, keys, bytes.

Each request asks `studios.access` again, so a right that is taken away is gone with the next fragment. The studio of
the address is in scope (`studios.middleware`), strangers have got their 404 there.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError, NotFound
from control_plane.common.problems import error_response
from control_plane.recordings.models import ClassSession, Segment
from control_plane.recordings.playlist import CONTENT_TYPE, write_playlist
from control_plane.recordings.replays import continue_replay
from control_plane.recordings.selectors import class_for, class_timeline
from control_plane.recordings.wire import timeline_body
from control_plane.storage.configured import object_store
from control_plane.studios import access, vault
from control_plane.studios.access import require_signed_in

PRESIGNED_LIFETIME = timedelta(seconds=30)  # asked for anew at each fragment
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")

View = Callable[..., HttpResponseBase]


def _for_viewer(function: Callable[..., HttpResponseBase]) -> View:
    """Makes a view out of a function of request, actor and class; never cached by anybody between us and the viewer."""

    @require_safe
    @wraps(function)
    def view(request: HttpRequest, slug: str, class_id: UUID, **kwargs: Any) -> HttpResponseBase:
        try:
            actor = require_signed_in(request.user)
            class_session = class_for(actor, class_id)
            access.require(actor, access.Action.REPLAY, class_session)
            response = function(request, actor, class_session, **kwargs)
        except ControlPlaneError as error:
            # A player reads status and code, whatever a browser says it accepts.
            response = error_response(error, request)
        response["Cache-Control"] = "no-store"
        return response

    return view


@gzip_page
@_for_viewer
def timeline(request: HttpRequest, actor: Actor, class_session: ClassSession) -> HttpResponseBase:
    """Gives what the player needs to know of a class."""
    return JsonResponse(timeline_body(class_session, class_timeline(class_session), request.path))


@gzip_page
@_for_viewer
def playlist(
    request: HttpRequest, actor: Actor, class_session: ClassSession, track_id: UUID
) -> HttpResponseBase:
    """Gives the HLS playlist of one track."""
    laid_out = class_timeline(class_session)
    track = laid_out.tracks.get(track_id)
    if track is None or laid_out.start_at is None or not track.placed:
        raise NotFound("This track has no picture.")
    continue_replay(class_session, actor=actor)
    text = write_playlist(track, start_at=laid_out.start_at, complete=class_session.has_ended)
    return HttpResponse(text, content_type=CONTENT_TYPE)


@_for_viewer
def init(
    request: HttpRequest, actor: Actor, class_session: ClassSession, track_id: UUID, segment_id: UUID
) -> HttpResponseBase:
    """Gives the init section of a segment in clear: it holds formats, no picture."""
    segment = _segment(class_session, segment_id, track_id=track_id)
    continue_replay(class_session, actor=actor)
    content_key = _content_key(segment, class_session, actor)
    sealed = b"".join(_read(segment.object_key, segment.init_offset_bytes, segment.init_size_bytes))
    decryptor = Cipher(algorithms.AES(content_key), modes.CBC(bytes(segment.init_iv))).decryptor()
    unpadder = PKCS7(128).unpadder()
    plain = unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()
    return HttpResponse(plain, content_type="video/mp4")


@_for_viewer
def key(
    request: HttpRequest, actor: Actor, class_session: ClassSession, segment_id: UUID
) -> HttpResponseBase:
    """Gives the content key of a segment, once the replay is on record."""
    segment = _segment(class_session, segment_id)
    continue_replay(class_session, actor=actor)
    return HttpResponse(_content_key(segment, class_session, actor), content_type="application/octet-stream")


@_for_viewer
def content(
    request: HttpRequest, actor: Actor, class_session: ClassSession, segment_id: UUID
) -> HttpResponseBase:
    """Gives the ciphertext of a segment or of a range of it, or the address in the store to take it from."""
    segment = _segment(class_session, segment_id)
    signed = object_store().presign_get(segment.object_key, lifetime=PRESIGNED_LIFETIME)
    if signed is not None:
        return HttpResponseRedirect(signed.url)
    size = segment.size_bytes
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    first = int(match[1]) if match else 0
    last = min(int(match[2]), size - 1) if match and match[2] else size - 1
    if match and (first >= size or last < first):
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    # A range is a fragment: a megabyte, which is read whole. The generator of a stream would outlive this scope.
    body = b"".join(_read(segment.object_key, first, last - first + 1))
    response = HttpResponse(body, status=206 if match else 200, content_type="video/mp4")
    response["Accept-Ranges"] = "bytes"
    if match:
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    return response


def _segment(class_session: ClassSession, segment_id: UUID, *, track_id: UUID | None = None) -> Segment:
    found = Segment.objects.filter(pk=segment_id, class_session=class_session)
    if track_id is not None:
        found = found.filter(track_id=track_id)
    segment: Segment | None = found.first()
    if segment is None:
        raise NotFound
    return segment


def _content_key(segment: Segment, class_session: ClassSession, actor: Actor) -> bytes:
    return vault.open_segment_key(
        bytes(segment.wrapped_key),
        class_key=bytes(class_session.wrapped_key),
        class_session_id=class_session.id,
        segment_id=segment.id,
        actor=actor,
        purpose=vault.Purpose.REPLAY,
        subject=class_session,
    )


def _read(object_key: str, offset_bytes: int, size_bytes: int) -> Iterator[bytes]:
    with object_store().open(object_key, offset_bytes=offset_bytes, size_bytes=size_bytes) as chunks:
        yield from chunks
