"""Settings: the studio's rules for footage that leaves it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from control_plane.access import access
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest
from control_plane.common.humanize import format_size
from control_plane.portal.access.presenter import table_of
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.shares.forms import RulesForm
from control_plane.recordings.permissions import EXPORT, SHARE
from control_plane.sharing.egress import bytes_left_today, egress_policy
from control_plane.sharing.policies import change_egress_policy
from control_plane.tenancy.permissions import MANAGE_STUDIO


@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows and changes the rules for share links and exports."""
    actor = actor_of(request)
    access.require(actor, MANAGE_STUDIO, request.studio)
    form = RulesForm(request.POST if request.method == "POST" else None, initial=_initial())
    if form.is_bound and form.is_valid():
        try:
            change_egress_policy(request.studio, actor=actor, **form.cleaned_data)
        except BadRequest as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("Saved. The rules apply from now on, also to links that exist."))
            return redirect("portal:egress_policy", slug)
    left = bytes_left_today(egress_policy(), timezone.now())
    context = {
        "section": "settings",
        "form": form,
        "who": _who(actor, request),
        "left": None if left is None else format_size(left),
    }
    return studio_page(request, "portal/shares/rules.html", context, status=422 if form.errors else 200)


def _initial() -> dict[str, Any]:
    policy = egress_policy()
    values = {name: getattr(policy, name) for name in RulesForm.base_fields}
    return values | {"networks": "\n".join(policy.networks)}


def _who(actor: Actor, request: StudioRequest) -> list[tuple[str, list[str]]]:
    """Returns the permissions with the roles that have them; empty for people who may not see the table of roles."""
    if not access.can(actor, MANAGE_POLICY, request.studio):
        return []
    table = table_of(actor)
    return [
        (action.label, [str(role.label) for role, actions in table.items() if action in actions])
        for action in (SHARE, EXPORT)
    ]
