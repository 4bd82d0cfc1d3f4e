"""Serves playback of one clip to one viewer; nothing beyond its bounds and cameras.

Each request checks access again. Bytes are always read and sent by us: a presigned address would open the whole object.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from control_plane.access import access
from control_plane.clips.models import Clip, ClipSegment
from control_plane.clips.replays import CLIP_KEYS, touch_clip_replay
from control_plane.clips.selectors import clip_for, clip_timeline
from control_plane.common.errors import ControlPlaneError, NotFound
from control_plane.common.problems import error_response
from control_plane.keys import vault
from control_plane.recordings.models import Segment
from control_plane.recordings.part import is_shown
from control_plane.recordings.permissions import REPLAY
from control_plane.recordings.playback.part_documents import PartDocuments, Shown, part_cache, render_part
from control_plane.recordings.playback.playback_cache import class_version
from control_plane.recordings.playback.ranges import Unsatisfiable, parse_range
from control_plane.recordings.playback.views import (
    decrypt_init,
    playable_segment,
    range_of,
    read_buffered,
    read_sealed_init,
    with_length,
)

_cache = part_cache()


def _playback(function: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Turns a function of request, clip and authorization into a view whose responses are never cached."""

    @require_safe
    @wraps(function)
    def view(request: HttpRequest, slug: str, clip_id: UUID, **kwargs: Any) -> HttpResponseBase:
        try:
            actor = access.require_signed_in(request.user)
            clip = clip_for(actor, clip_id)
            response = function(request, clip, access.require(actor, REPLAY, clip), **kwargs)
        except ControlPlaneError as error:
            response = error_response(error, request)
        response["Cache-Control"] = "no-store"
        return response

    return view


@_playback
def check(request: HttpRequest, clip: Clip, authorization: access.Authorization) -> HttpResponseBase:
    """Returns by its status whether the viewer still has access; an open page polls it."""
    return HttpResponse(status=204)


@_playback
def timeline(request: HttpRequest, clip: Clip, authorization: access.Authorization) -> HttpResponseBase:
    """Serves `timeline.json` of a clip."""
    return _documents(request, clip).timeline.response(request)


@_playback
def playlist(
    request: HttpRequest, clip: Clip, authorization: access.Authorization, track_id: UUID
) -> HttpResponseBase:
    """Serves the HLS playlist of one camera of the clip."""
    written = _documents(request, clip).playlists.get(track_id)
    if written is None:
        raise NotFound("This camera has no picture in this clip.")
    touch_clip_replay(clip, authorization=authorization)
    return written.response(request)


@_playback
def init(
    request: HttpRequest, clip: Clip, authorization: access.Authorization, track_id: UUID, segment_id: UUID
) -> HttpResponseBase:
    """Serves the init section of a segment decrypted: it contains formats, no picture."""
    segment, _ = _shown_segment(request, clip, segment_id, track_id=track_id)
    # Read before opening the key: its audit event locks the studio's chain, and the store may be slow.
    sealed = read_sealed_init(segment)
    plain = decrypt_init(segment, sealed, _content_key(clip, segment, authorization))
    return HttpResponse(plain, content_type="video/mp4")


@_playback
def key(
    request: HttpRequest, clip: Clip, authorization: access.Authorization, segment_id: UUID
) -> HttpResponseBase:
    """Serves the content key of a segment of which the clip shows at least one fragment."""
    segment, _ = _shown_segment(request, clip, segment_id)
    return HttpResponse(_content_key(clip, segment, authorization), content_type="application/octet-stream")


@_playback
def content(
    request: HttpRequest, clip: Clip, authorization: access.Authorization, segment_id: UUID
) -> HttpResponseBase:
    """Serves the ciphertext of one fragment that the clip shows, or a range of it; nothing else of the object."""
    segment, places = _shown_segment(request, clip, segment_id)
    try:
        part = parse_range(range_of(request), segment.size_bytes)
    except Unsatisfiable:
        part = None
    if part is None or not is_shown(part.first, part.last, places):
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{segment.size_bytes}"})
    touch_clip_replay(clip, authorization=authorization)
    if request.method == "HEAD":
        return with_length(HttpResponse(content_type="video/mp4"), part, segment.size_bytes)
    data = read_buffered(segment, part.first, part.size_bytes)
    return with_length(HttpResponse(data, content_type="video/mp4"), part, segment.size_bytes)


def clip_documents(clip: Clip, shown: Shown) -> PartDocuments:
    """Returns the documents of a clip below one folder.

    Raises:
        Busy: they, or others of the studio, are being rendered.
    """
    key = (clip.id, shown, class_version(clip.class_session))
    return _cache.get(
        key, lambda: render_part(clip.class_session, clip_timeline(clip), shown), owner=clip.studio_id
    )


def _documents(request: HttpRequest, clip: Clip) -> PartDocuments:
    folder = request.path.partition(str(clip.id))[0] + str(clip.id)
    return clip_documents(clip, Shown(folder, str(clip.id), clip.title))


def _shown_segment(
    request: HttpRequest, clip: Clip, segment_id: UUID, *, track_id: UUID | None = None
) -> tuple[Segment, frozenset[tuple[int, int]]]:
    places = _documents(request, clip).fragments.get(segment_id)
    if places is None:
        raise NotFound("This clip does not show this segment.")
    return playable_segment(clip.class_session, segment_id, track_id=track_id), places


def _content_key(clip: Clip, segment: Segment, authorization: access.Authorization) -> bytes:
    replay = touch_clip_replay(clip, authorization=authorization)
    row = ClipSegment.objects.filter(clip=clip, segment_id=segment.id).first()
    if row is None:
        raise NotFound("This clip does not show this segment.")
    with vault.release_keys(
        authorization.actor, CLIP_KEYS, clip, entry_id=replay.entry_id, authorization=authorization
    ) as release:
        return release.content_key(bytes(row.wrapped_key), segment_id=segment.id)
