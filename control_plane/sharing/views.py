"""Serves share links to people without an account: the trade of the secret, and playback below `/s/<public id>/`.

Each request of playback asks everything again (`openings.playing`), and serves nothing beyond the bounds and cameras of the
link. Bytes are always read and sent by us: a presigned address would open the whole object, and for seconds after a
revocation.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from control_plane.common.errors import BadRequest, ControlPlaneError
from control_plane.common.problems import error_response
from control_plane.common.scoping import studio_scope
from control_plane.keys import vault
from control_plane.keys.errors import KeyDestroyed
from control_plane.recordings.models import Segment
from control_plane.recordings.part import is_shown
from control_plane.recordings.playback.ranges import Unsatisfiable, parse_range
from control_plane.recordings.playback.views import (
    decrypt_init,
    playable_segment,
    range_of,
    read_buffered,
    read_sealed_init,
    with_length,
)
from control_plane.sharing.egress import EgressRequest, bytes_left_today, count_egress, egress_policy
from control_plane.sharing.openings import (
    SHARE_KEYS,
    VIEW_LIFETIME,
    LinkGone,
    PinNeeded,
    Playing,
    open_link,
    playing,
    renew,
    studio_of_link,
)
from control_plane.sharing.shared_documents import shared_documents

COOKIE = "share"

Response = TypeVar("Response", bound=HttpResponseBase)
PlaybackView = Callable[..., HttpResponseBase]


class _Trade(msgspec.Struct, forbid_unknown_fields=True):
    secret: str
    pin: str = ""


@require_POST
@sensitive_variables()
def trade(request: HttpRequest, public_id: str) -> HttpResponse:
    """Trades the secret (and the PIN) in the body for a cookie. JSON in, JSON out."""
    try:
        if request.content_type != "application/json":
            raise BadRequest("Send the secret as JSON.")
        given = msgspec.json.decode(request.body, type=_Trade)
        opened = open_link(public_id, given.secret, given.pin, address=_address(request))
    except PinNeeded as error:
        response: HttpResponse = JsonResponse({"needs": "pin", "wrong": error.is_wrong}, status=403)
    except (ControlPlaneError, msgspec.ValidationError, msgspec.DecodeError) as error:
        response = error_response(error, request)
    else:
        folder = f"/s/{public_id}"
        response = JsonResponse({"timeline": f"{folder}/timeline.json", "title": opened.link.title})
        _set_cookie(response, public_id, opened.token)
    return _private(response)


def _playback(function: PlaybackView) -> PlaybackView:
    """Turns a function of request and `Playing` into a view that asks everything first and is never cached."""

    @require_safe
    @wraps(function)
    def view(request: HttpRequest, public_id: str, **kwargs: Any) -> HttpResponseBase:
        token = request.COOKIES.get(COOKIE, "")
        response: HttpResponseBase
        try:
            with studio_scope(studio_of_link(public_id)):
                found = playing(public_id, token, EgressRequest(address=_address(request)))
                response = function(request, found, **kwargs)
                if renew(found.view, timezone.now()):
                    _set_cookie(response, public_id, token)
        except KeyDestroyed:
            response = error_response(LinkGone(), request)
        except ControlPlaneError as error:
            response = error_response(error, request)
        return _private(response)

    return view


@_playback
def check(request: HttpRequest, found: Playing) -> HttpResponseBase:
    """Returns by its status whether the view may go on; an open page polls it."""
    return HttpResponse(status=204)


@_playback
def timeline(request: HttpRequest, found: Playing) -> HttpResponseBase:
    """Serves `timeline.json` of what the link shows."""
    return shared_documents(found).timeline.response(request)


@_playback
def playlist(request: HttpRequest, found: Playing, track_id: UUID) -> HttpResponseBase:
    """Serves the HLS playlist of one camera of the link."""
    written = shared_documents(found).playlists.get(track_id)
    if written is None:
        raise LinkGone
    return written.response(request)


@_playback
def init(request: HttpRequest, found: Playing, track_id: UUID, segment_id: UUID) -> HttpResponseBase:
    """Serves the init section of a segment decrypted: it contains formats, no picture."""
    segment, _ = _shown_segment(found, segment_id)
    if segment.track_id != track_id:
        raise LinkGone
    sealed = read_sealed_init(segment)
    plain = decrypt_init(segment, sealed, _content_key(found, segment))
    return HttpResponse(plain, content_type="video/mp4")


@_playback
def key(request: HttpRequest, found: Playing, segment_id: UUID) -> HttpResponseBase:
    """Serves the content key of a segment of which the link shows at least one fragment."""
    segment, _ = _shown_segment(found, segment_id)
    return HttpResponse(_content_key(found, segment), content_type="application/octet-stream")


@_playback
def content(request: HttpRequest, found: Playing, segment_id: UUID) -> HttpResponseBase:
    """Serves the ciphertext of one fragment that the link shows, or a range of it; nothing else of the object."""
    segment, places = _shown_segment(found, segment_id)
    try:
        part = parse_range(range_of(request), segment.size_bytes)
    except Unsatisfiable:
        part = None
    if part is None or not is_shown(part.first, part.last, places):
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{segment.size_bytes}"})
    if request.method == "HEAD":
        return with_length(HttpResponse(content_type="video/mp4"), part, segment.size_bytes)
    now = timezone.now()
    left = bytes_left_today(egress_policy(), now)
    if left is not None and part.size_bytes > left:
        raise LinkGone
    data = read_buffered(segment, part.first, part.size_bytes)
    count_egress(found.view.id, part.size_bytes, now)
    return with_length(HttpResponse(data, content_type="video/mp4"), part, segment.size_bytes)


def _shown_segment(found: Playing, segment_id: UUID) -> tuple[Segment, frozenset[tuple[int, int]]]:
    places = shared_documents(found).fragments.get(segment_id)
    if places is None:
        raise LinkGone
    return playable_segment(found.class_session, segment_id), places


def _content_key(found: Playing, segment: Segment) -> bytes:
    with vault.release_keys(
        found.authorization.actor,
        SHARE_KEYS,
        found.class_session,
        entry_id=found.view.entry_id,
        authorization=found.authorization,
    ) as release:
        return release.content_key(bytes(segment.wrapped_key), segment_id=segment.id)


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def _set_cookie(response: HttpResponseBase, public_id: str, token: str) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=VIEW_LIFETIME,
        path=f"/s/{public_id}/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def _private(response: Response) -> Response:
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
