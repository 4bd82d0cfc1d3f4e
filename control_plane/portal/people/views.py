"""People: the members, their roles, and the access of each."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from control_plane.access import access, roles
from control_plane.access.audit_events import PEOPLE_LISTED, PERSON_OPENED
from control_plane.access.reads import note_offered, note_read
from control_plane.access.requests import StudioRequest
from control_plane.administration import services
from control_plane.administration.services.signin_links import create_member_link
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, TooManyRequests
from control_plane.common.roles import Role
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.people.person_presenter import (
    classes_seen,
    object_grants,
    own_dancers,
    studio_permissions,
)
from control_plane.portal.people.presenter import member_for, members_found, person_lines, role_counts
from control_plane.tenancy.models import Membership
from control_plane.tenancy.permissions import MANAGE_PEOPLE

PAGE_SIZE = 50
SUGGESTED = 10
SHORTEST = 2
LATEST = 20
HERE: dict[str, Any] = {"section": "people"}


@require_safe
def people(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the members in pages."""
    actor = actor_of(request)
    access.require(actor, MANAGE_PEOPLE, request.studio)
    note_read(PEOPLE_LISTED, request.studio, actor=actor)
    wanted, role = request.GET.get("q", "").strip()[:80], request.GET.get("role", "")
    page = Paginator(members_found(actor, wanted, role), PAGE_SIZE).get_page(request.GET.get("page"))
    context = HERE | {
        "page": page,
        "people": person_lines(list(page.object_list)),
        "roles": role_counts(actor),
        "wanted": wanted,
        "role": role,
    }
    return studio_page(request, "portal/people/list.html", context)


@require_safe
def suggest_people(request: StudioRequest, slug: str) -> HttpResponse:
    """Returns the first members whose name or address contains the typed text, as options."""
    actor = actor_of(request)
    access.require(actor, MANAGE_PEOPLE, request.studio)
    wanted = request.GET.get("person", "").strip()[:80]
    found = list(members_found(actor, wanted, "")[:SUGGESTED]) if len(wanted) >= SHORTEST else []
    if found:
        note_offered(request.studio, actor=actor)
    return studio_page(request, "portal/people/suggested.html", {"people": found})


class RoleForm(forms.Form):
    """Form of a member's role."""

    role = forms.ChoiceField(choices=Role.choices)


class EndForm(forms.Form):
    """Form of the end of a membership."""

    ends_at = forms.DateTimeField(
        label=gettext_lazy("Member until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("Empty: no end date."),
    )


@require_safe
def person(request: StudioRequest, slug: str, membership_id: UUID) -> HttpResponse:
    """Shows a member's access with the reasons."""
    actor = actor_of(request)
    return _person(request, actor, member_for(actor, membership_id))


@require_POST
def change_role(request: StudioRequest, slug: str, membership_id: UUID) -> HttpResponse:
    """Changes a member's role."""
    actor = actor_of(request)
    member = member_for(actor, membership_id)
    form = RoleForm(request.POST)
    if form.is_valid():
        try:
            services.change_role(member, Role(form.cleaned_data["role"]), actor=actor)
        except Conflict as error:
            form.add_error(None, error.detail)
        else:
            messages.success(
                request,
                _("%(user)s now has the role %(role)s.")
                % {"user": member.user, "role": Role(member.role).label.lower()},
            )
            return redirect("portal:person", slug, membership_id)
    return _person(request, actor, member_for(actor, membership_id), role_form=form)


@require_POST
def change_end(request: StudioRequest, slug: str, membership_id: UUID) -> HttpResponse:
    """Sets the end of a membership."""
    actor = actor_of(request)
    member = member_for(actor, membership_id)
    form = EndForm(request.POST)
    if form.is_valid():
        try:
            services.set_membership_end(member, form.cleaned_data["ends_at"], actor=actor)
        except (BadRequest, Conflict) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("Saved."))
            return redirect("portal:person", slug, membership_id)
    return _person(request, actor, member_for(actor, membership_id), end_form=form)


@require_POST
def remove_person(request: StudioRequest, slug: str, membership_id: UUID) -> HttpResponse:
    """Ends a membership, with all grants in this studio."""
    actor = actor_of(request)
    member = member_for(actor, membership_id)
    try:
        services.remove_member(member, actor=actor)
    except Conflict as error:
        messages.error(request, error.detail)
        return redirect("portal:person", slug, membership_id)
    messages.success(
        request,
        _("%(user)s is no longer a member of %(studio)s.")
        % {"user": member.user, "studio": request.studio.name},
    )
    return redirect("portal:people", slug)


@require_POST
def end_sessions(request: StudioRequest, slug: str, membership_id: UUID) -> HttpResponse:
    """Ends a member's sessions in this studio."""
    actor = actor_of(request)
    member = member_for(actor, membership_id)
    services.end_member_sessions(member, actor=actor)
    messages.success(
        request,
        _("%(user)s must sign in again to open %(studio)s.")
        % {"user": member.user, "studio": request.studio.name},
    )
    return redirect("portal:person", slug, membership_id)


@require_POST
def make_link(request: StudioRequest, slug: str, membership_id: UUID) -> HttpResponse:
    """Creates a one-time sign-in link for a member, and shows it once."""
    actor = actor_of(request)
    member = member_for(actor, membership_id)
    try:
        link = create_member_link(member, actor=actor)
    except (Conflict, TooManyRequests) as error:
        messages.error(request, error.detail)
        return redirect("portal:person", slug, membership_id)
    return _person(request, actor, member, link=link)


def _person(
    request: StudioRequest,
    actor: Actor,
    member: Membership,
    *,
    role_form: RoleForm | None = None,
    end_form: EndForm | None = None,
    link: str = "",
) -> HttpResponse:
    note_read(PERSON_OPENED, member, actor=actor)
    count, latest = classes_seen(member.user, most=LATEST)
    (line,) = person_lines([member])
    context = HERE | {
        "member": member,
        "person": member.user,
        "line": line,
        "is_self": member.user_id == actor.id,
        "is_over": member.ends_at is not None and member.ends_at <= timezone.now(),
        "about_role": roles.ROLE_MEANINGS[Role(member.role)],
        "permissions": studio_permissions(member.user, request.studio.id),
        "single": object_grants(actor, member.user, request.studio),
        "dancers": own_dancers(actor, member.user),
        "class_count": count,
        "classes": latest,
        "role_form": role_form or RoleForm(initial={"role": member.role}),
        "link": link,
        "end_form": end_form or EndForm(initial={"ends_at": member.ends_at}),
    }
    wrong = role_form is not None or end_form is not None
    return studio_page(request, "portal/people/person.html", context, status=400 if wrong else 200)
