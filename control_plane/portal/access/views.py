"""Access to a class and to a room, with grants and denials for single people."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from control_plane.access import access, services
from control_plane.access.audit_events import ACCESS_READ
from control_plane.access.models import Effect, ObjectPermission
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.portal.access.leaving import leaving_of
from control_plane.portal.access.presenter import answers, asked_choices, choices_on, everybody, grants_on
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.people.fields import MemberField
from control_plane.portal.rooms.presenter import room_of
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import REPLAY
from control_plane.recordings.selectors import class_for
from control_plane.tenancy.models import Membership, Room
from control_plane.tenancy.permissions import MANAGE_PEOPLE

PAGE_SIZE = 50


class GrantForm(forms.Form):
    """A grant or denial for one person on one object."""

    person = MemberField(label=gettext_lazy("Person"), help_text=gettext_lazy("E-mail address of a member."))
    effect = forms.ChoiceField(label=gettext_lazy("Grant or deny"), choices=Effect.choices)
    permission = forms.ChoiceField(label=gettext_lazy("Permission"))
    until = forms.DateTimeField(
        label=gettext_lazy("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("Empty: no end date."),
    )
    reason = forms.CharField(
        max_length=500, help_text=gettext_lazy("Shown with it and kept in the audit log; no names.")
    )

    def __init__(self, *args: Any, label: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["permission"].choices = choices_on(label)  # type: ignore[attr-defined]

    def clean_until(self) -> Any:
        """Refuses an end in the past.

        Raises:
            ValidationError: the end is in the past.
        """
        until = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise forms.ValidationError(_("This time is in the past."))
        return until


@require_http_methods(["GET", "HEAD", "POST"])
def class_access(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Shows the people with access to a class, and grants or denies a permission on it."""
    class_session = class_for(actor_of(request), class_id)
    return _who(request, class_session, back=reverse("portal:class", args=[slug, class_id]))


@require_http_methods(["GET", "HEAD", "POST"])
def room_access(request: StudioRequest, slug: str, room_id: UUID) -> HttpResponse:
    """Shows the people with access to the classes of a room, and grants or denies a permission on all of them."""
    room = room_of(actor_of(request), room_id)
    if room is None:
        raise NotFound
    return _who(request, room, back=reverse("portal:room", args=[slug, room_id]))


@require_POST
def end_grant(request: StudioRequest, slug: str, grant_id: UUID) -> HttpResponse:
    """Ends a grant or denial, and returns to the page that requested it."""
    actor = actor_of(request)
    row = access.visible(actor, ObjectPermission).filter(pk=grant_id).select_related("user").first()
    if row is None:
        raise NotFound
    services.revoke_grant(row, actor=actor)
    messages.success(
        request, _("Ended. The role of %(user)s applies again.") % {"user": row.user.get_full_name()}
    )
    if request.POST.get("back") == "thing":
        # Where it was: one of our own pages, never an address that somebody sent.
        if ClassSession.objects.filter(pk=row.object_pk).exists():
            return redirect("portal:class_access", slug, row.object_pk)
        if Room.objects.filter(pk=row.object_pk).exists():
            return redirect("portal:room_access", slug, row.object_pk)
    member = Membership.objects.filter(user_id=row.user_id).first()
    return redirect("portal:person", slug, member.id) if member else redirect("portal:people", slug)


def _who(request: StudioRequest, thing: ClassSession | Room, *, back: str) -> HttpResponse:
    actor = actor_of(request)
    access.require(actor, MANAGE_PEOPLE, thing)
    label = thing._meta.label
    form = GrantForm(request.POST or None, label=label)
    if request.method == "POST" and form.is_valid() and _give(form, thing, actor):
        messages.success(request, _("Saved. It is active now."))
        return redirect(request.path)
    note_read(ACCESS_READ, thing, actor=actor)
    asked = _asked(request, label)
    wanted, refused = request.GET.get("q", "").strip()[:80], "refused" in request.GET
    people, more = everybody(asked, thing, wanted=wanted)
    chosen = [item for item in people if item[1].allowed is not refused]
    page = Paginator(chosen, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "section": "classes" if isinstance(thing, ClassSession) else "rooms",
        "thing": thing,
        "is_class": isinstance(thing, ClassSession),
        "back": back,
        "form": form,
        "grants": grants_on(actor, thing),
        "asked": asked,
        "choices": asked_choices(label),
        "wanted": wanted,
        "refused": refused,
        "page": page,
        "answers": answers(list(page.object_list)),
        "may": sum(decision.allowed for _, decision in people),
        "all": len(people),
        "more": more,
        "leaving": leaving_of(actor, thing, timezone.now()) if isinstance(thing, ClassSession) else None,
    }
    return studio_page(request, "portal/access/who.html", context, status=400 if form.errors else 200)


def _give(form: GrantForm, thing: Model, actor: Actor) -> bool:
    values = form.cleaned_data
    give = services.grant_permission if values["effect"] == Effect.ALLOW else services.deny_permission
    try:
        give(
            values["person"],
            StudioPermission.named(values["permission"]),
            thing,
            until=values["until"],
            reason=values["reason"],
            actor=actor,
        )
    except (BadRequest, Conflict, Forbidden, NotFound) as error:
        form.add_error(None, error.detail or _("This permission cannot be granted."))
        return False
    return True


def _asked(request: StudioRequest, label: str) -> StudioPermission:
    asked = StudioPermission.get(request.GET.get("permission", ""))
    return asked if asked is not None and asked in dict(asked_choices(label)) else REPLAY
