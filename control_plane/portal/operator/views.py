"""The platform operator's pages: studios in numbers, a new studio, and break-glass access."""

import zoneinfo
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import roles
from control_plane.access import services as access_services
from control_plane.access.models import BreakGlass
from control_plane.access.services.break_glass import MOST_HOURS, SHORTEST_REASON
from control_plane.accounts import operators as accounts_services
from control_plane.accounts.models import User
from control_plane.administration import services as administration_services
from control_plane.common import mail
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from control_plane.common.permissions import StudioPermission
from control_plane.common.scoping import user_scope
from control_plane.ingest.disk_space import low_disks
from control_plane.portal.operator.presenter import (
    own_break_glass,
    studio_by_id,
    studio_lines,
    studio_page_of,
)
from control_plane.portal.page import actor_of, page_number

PAGE_SIZE = 25
MOST_LINES = 50
HOURS = [(str(hours), f"{hours} hour{'' if hours == 1 else 's'}") for hours in range(1, MOST_HOURS + 1)]


class NewStudioForm(forms.Form):
    """A studio and its first admin."""

    name = forms.CharField(max_length=120)
    slug = forms.SlugField(
        label=gettext_lazy("Address"),
        max_length=50,
        help_text=gettext_lazy(
            "Lower-case letters, digits and hyphens. It is part of all addresses of the "
            "studio and cannot be changed."
        ),
    )
    time_zone = forms.ChoiceField(
        choices=[(name, name) for name in sorted(zoneinfo.available_timezones())], initial="UTC"
    )
    admin_address = forms.EmailField(
        label=gettext_lazy("E-mail address of the first admin"),
        help_text=gettext_lazy("Receives an invitation and manages the studio."),
    )


class BreakGlassForm(forms.Form):
    """Form of break-glass access: permissions, reason and duration."""

    actions = forms.MultipleChoiceField(
        label=gettext_lazy("Permissions"),
        choices=[
            (action, action.label)
            for _, group in roles.GROUPS
            for action in group
            if action in roles.BREAK_GLASS_PERMISSIONS
        ],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Select only the permissions that you need."),
    )
    reason = forms.CharField(
        min_length=SHORTEST_REASON,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("The studio's admins see it immediately. Name the request that you work on."),
    )
    hours = forms.ChoiceField(label=gettext_lazy("Duration"), choices=HOURS)


@require_safe
@never_cache
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """Shows the studios in numbers."""
    operator = _operator(request)
    wanted = request.GET.get("q", "").strip()[:80]
    number = page_number(request)
    studios, count = studio_page_of(wanted, after=(number - 1) * PAGE_SIZE, most=PAGE_SIZE)
    context = {
        "low_disks": low_disks()[:1],
        "studios": studio_lines(studios),
        "count": count,
        "wanted": wanted,
        "number": number,
        "has_more": number * PAGE_SIZE < count,
        "open": [line for line in own_break_glass(operator.id, most=MOST_LINES) if line.is_open],
    }
    return render(request, "portal/operator/overview.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def add_studio(request: HttpRequest) -> HttpResponse:
    """Creates a studio and invites its first admin."""
    _operator(request)
    form = NewStudioForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            offer = administration_services.create_studio_with_invitation(
                **form.cleaned_data, actor=actor_of(request)
            )
        except (BadRequest, Conflict, Unavailable) as error:
            form.add_error(None, error.detail)
        else:
            return render(request, "portal/operator/studio_added.html", {"offer": offer})
    status = 400 if form.is_bound else 200
    return render(request, "portal/operator/add_studio.html", {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def studio(request: HttpRequest, studio_id: UUID) -> HttpResponse:
    """Shows one studio in numbers, and opens break-glass access."""
    operator = _operator(request)
    found = studio_by_id(studio_id)
    if found is None:
        raise NotFound
    form = BreakGlassForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            access_services.open_break_glass(
                found,
                operator,
                [StudioPermission.named(value) for value in values["actions"]],
                values["reason"],
                float(values["hours"]),
                actor=actor_of(request),
            )
        except (BadRequest, Forbidden) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("The studio is open to you. Its admins were notified."))
            return redirect("portal:classes", slug=found.slug)
    lines = own_break_glass(operator.id, most=MOST_LINES, studio_id=found.id)
    context: dict[str, Any] = {
        "line": studio_lines([found])[0],
        "form": form,
        "ended": [line for line in lines if not line.is_open],
        "open": [line for line in lines if line.is_open],
        "has_mail": mail.has_server(),
    }
    return render(request, "portal/operator/studio.html", context, status=400 if form.is_bound else 200)


@require_safe
@never_cache
@login_required
def break_glasses(request: HttpRequest) -> HttpResponse:
    """Lists the operator's own break-glass access."""
    operator = _operator(request)
    context = {"lines": own_break_glass(operator.id, most=MOST_LINES), "most": MOST_LINES}
    return render(request, "portal/operator/own_break_glass.html", context)


@require_POST
@login_required
def close_break_glass(request: HttpRequest, break_glass_id: UUID) -> HttpResponse:
    """Ends one of the operator's own break-glass accesses."""
    operator = _operator(request)
    with user_scope(operator.id):
        glass = BreakGlass.own.filter(pk=break_glass_id).first()
    if glass is None:
        raise NotFound
    access_services.close_break_glass(glass, actor=actor_of(request))
    messages.success(request, _("Access ended."))
    return redirect("portal:operator")


def _operator(request: HttpRequest) -> User:
    return accounts_services.require_operator(actor_of(request))
