"""Access: the table of roles and permissions, with a preview of the effects of a change."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from control_plane.access import access, roles, services
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.roles import Role
from control_plane.people.models import Dancer
from control_plane.portal.access.presenter import table_of
from control_plane.portal.access.role_table import (
    Table,
    changed_from_default,
    differences,
    digest,
    grid,
    objections,
    reasons,
    ticked,
)
from control_plane.portal.page import actor_of, is_part, studio_page
from control_plane.portal.people.presenter import role_counts
from control_plane.recordings.models import ClassSession
from control_plane.tenancy.models import Room

MOVED_ON = _("Somebody else changed the table in the meantime. Review the changes again.")


@require_http_methods(["GET", "HEAD", "POST"])
def access_table(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the table; a POST previews the change, and with `save` applies it."""
    actor = actor_of(request)
    access.require(actor, MANAGE_POLICY, request.studio)
    before = table_of(actor)
    if request.method != "POST":
        return _page(request, before, before)
    return _changed(request, actor, before, ticked(request.POST.getlist("permission")))


@require_POST
def access_reset(request: StudioRequest, slug: str) -> HttpResponse:
    """Previews a reset to the defaults, ready to be saved."""
    actor = actor_of(request)
    access.require(actor, MANAGE_POLICY, request.studio)
    return _page(request, table_of(actor), roles.DEFAULTS, asked=True)


def _changed(request: StudioRequest, actor: Actor, before: Table, after: Table) -> HttpResponse:
    errors = objections(after)
    # Saved is what was shown: neither ticks nor table may have moved since.
    shown = request.POST.get("save") == digest(after)
    moved_on = request.POST.get("seen") != digest(before)
    if errors or not shown or moved_on:
        if "save" in request.POST and not errors:
            messages.warning(request, MOVED_ON if moved_on else _("Review the changes first."))
        return _page(request, before, after, asked=True, errors=errors)
    for role in Role:
        if after[role] == roles.DEFAULTS[role] != before[role]:
            services.reset_role(request.studio, role, actor=actor)
        elif after[role] != before[role]:
            services.set_role_actions(request.studio, role, after[role], actor=actor)
    messages.success(request, _("Saved. Changes are active."))
    return redirect("portal:access", request.studio.slug)


def _page(
    request: StudioRequest,
    before: Table,
    after: Table,
    *,
    asked: bool = False,
    errors: list[str] | None = None,
) -> HttpResponse:
    counts = {
        "classes": ClassSession.objects.count(),
        "rooms": Room.objects.count(),
        "dancers": Dancer.objects.filter(left_at__isnull=True).count(),
    }
    people = {value: count for value, _, count in role_counts(actor_of(request))}
    context: dict[str, Any] = {
        "section": "settings",
        "roles": [(role, roles.ROLE_MEANINGS[role]) for role in Role],
        "groups": grid(after),
        "changes": differences(before, after, counts=counts, people=people),
        "errors": errors or [],
        "asked": asked,
        "seen": digest(before),
        "after": digest(after),
        "changed": changed_from_default(before),
        "reasons": reasons(),
    }
    return studio_page(
        request, "portal/access/table.html", context, status=400 if errors and not is_part(request) else 200
    )
