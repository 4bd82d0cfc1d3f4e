"""Pages of clips: the list of the studio, the clips of a class with the form for a new one, and the player."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.clips.audit_events import CLIPS_LISTED
from control_plane.clips.endings import delete_clip
from control_plane.clips.permissions import MAKE_CLIPS
from control_plane.clips.selectors import clip_for, visible_clips
from control_plane.clips.services import make_clip
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, TooManyRequests
from control_plane.people.models import Dancer
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.portal.clips.forms import ClipForm
from control_plane.portal.page import actor_of, studio_page
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import REPLAY
from control_plane.recordings.presence import dancers_in
from control_plane.recordings.selectors import class_for

PAGE_SIZE = 30
MOST_LISTED = 100


@require_safe
def clip_list(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the clips that the member may watch, newest first."""
    actor = actor_of(request)
    note_read(CLIPS_LISTED, request.studio, actor=actor)
    page = Paginator(visible_clips(actor, to=REPLAY), PAGE_SIZE).get_page(request.GET.get("page"))
    return studio_page(request, "portal/clips/list.html", {"section": "classes", "page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def class_clips(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Shows the clips of a class and the form for a new one; a POST makes it and opens it."""
    actor = actor_of(request)
    class_session = class_for(actor, class_id)
    access.require(actor, MAKE_CLIPS, class_session)
    if request.method != "POST":
        return _page(request, actor, class_session, ClipForm())
    form = ClipForm(request.POST)
    if not form.is_valid():
        return _page(request, actor, class_session, form)
    chosen = request.POST.getlist("dancer") if request.POST.get("dancers") == "chosen" else None
    try:
        clip = make_clip(class_session, form.facts(request.POST.getlist("camera"), chosen), actor=actor)
    except (BadRequest, Conflict, TooManyRequests) as error:
        return _page(request, actor, class_session, form, error=error.detail)
    return redirect("portal:clip", slug, clip.id)


@require_safe
def clip_page(request: StudioRequest, slug: str, clip_id: UUID) -> HttpResponse:
    """Shows the player of a clip."""
    actor = actor_of(request)
    clip = clip_for(actor, clip_id)
    access.require(actor, REPLAY, clip)
    context: dict[str, Any] = {
        "section": "classes",
        "clip": clip,
        "class_is_there": bool(clip.class_session.wrapped_key),
        "may_delete": access.can(actor, MAKE_CLIPS, clip),
        "timeline_url": reverse("clips:timeline", args=[slug, clip.id]),
    }
    return studio_page(request, "portal/clips/clip.html", context)


@require_POST
def delete(request: StudioRequest, slug: str, clip_id: UUID) -> HttpResponse:
    """Deletes a clip."""
    actor = actor_of(request)
    delete_clip(clip_for(actor, clip_id), actor=actor)
    messages.success(request, _("Clip deleted. It cannot be restored."))
    return redirect("portal:clips", slug)


def _page(
    request: StudioRequest, actor: Actor, class_session: ClassSession, form: ClipForm, *, error: str = ""
) -> HttpResponse:
    note_read(CLIPS_LISTED, class_session, actor=actor)
    may_choose = access.can(actor, MANAGE_DANCERS, class_session)
    context: dict[str, Any] = {
        "section": "classes",
        "class_session": class_session,
        "form": form,
        "error": error,
        "tracks": class_session.tracks.all(),
        "clips": visible_clips(actor).filter(class_session=class_session)[:MOST_LISTED],
        "dancers": Dancer.objects.filter(pk__in=dancers_in(class_session)).order_by("name")
        if may_choose
        else [],
    }
    # A form that made nothing is shown again.
    return studio_page(request, "portal/clips/class.html", context, status=422 if form.is_bound else 200)
