"""The studio's keys: age, rotation, and the permanent destruction of recordings."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.errors import BadRequest, Conflict, TooManyRequests, Unavailable
from control_plane.keys.services import rotate_studio_key
from control_plane.portal.keys.presenter import ShredForm, key_facts
from control_plane.portal.page import actor_of, studio_page
from control_plane.recordings.selectors import class_for
from control_plane.recordings.shredding import shred_class, shred_studio
from control_plane.tenancy.permissions import MANAGE_STUDIO

READ_WRITE = ("GET", "HEAD", "POST")


@require_safe
def keys(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the studio's keys."""
    access.require(actor_of(request), MANAGE_STUDIO, request.studio)
    return _page(request, ShredForm(what="the name of the studio"))


@require_POST
def rotate_keys(request: StudioRequest, slug: str) -> HttpResponse:
    """Creates a new generation of keys."""
    try:
        rotate_studio_key(request.studio, actor=actor_of(request))
    except (TooManyRequests, Unavailable) as error:
        messages.error(request, _("Nothing was changed: %(detail)s") % {"detail": error.detail})
    else:
        messages.success(
            request,
            _("Keys rotated. Agents receive the new keys, and older recordings follow automatically."),
        )
    return redirect("portal:keys", slug=request.studio.slug)


@require_POST
def shred_everything(request: StudioRequest, slug: str) -> HttpResponse:
    """Destroys all recordings of the studio, after its name has been typed."""
    actor = actor_of(request)
    access.require(actor, MANAGE_STUDIO, request.studio)
    form = ShredForm(request.POST, what="the name of the studio")
    if form.is_valid():
        try:
            shred_studio(request.studio, actor=actor, **form.cleaned_data)
        except BadRequest as error:
            form.add_error("confirmation", error.detail)
        except (Conflict, Unavailable) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("All recordings were deleted permanently."))
            return redirect("portal:keys", slug=request.studio.slug)
    return _page(request, form, status=422)


@require_http_methods(READ_WRITE)
def shred_one(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Requests a confirmation, then destroys the recording of one class."""
    actor = actor_of(request)
    class_session = class_for(actor, class_id)
    access.require(actor, MANAGE_STUDIO, class_session)
    form = ShredForm(request.POST or None, what="the title of the class")
    if request.method == "POST" and form.is_valid():
        try:
            shred_class(class_session, actor=actor, **form.cleaned_data)
        except BadRequest as error:
            form.add_error("confirmation", error.detail)
        except (Conflict, Unavailable) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("The recording was deleted permanently."))
            return redirect("portal:classes", slug=request.studio.slug)
    context = {"section": "classes", "class_session": class_session, "form": form}
    status = 422 if form.errors else 200
    return studio_page(request, "portal/keys/shred_class.html", context, status=status)


def _page(request: StudioRequest, form: ShredForm, *, status: int = 200) -> HttpResponse:
    context = {"section": "settings", "facts": key_facts(), "form": form}
    return studio_page(request, "portal/keys/keys.html", context, status=status)
