"""API keys: the list, a new key (shown once), and revocation."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from control_plane.access import access
from control_plane.access.models import ApiKey
from control_plane.access.permissions import USE_API
from control_plane.access.requests import StudioRequest
from control_plane.access.roles import ALWAYS_LENT
from control_plane.access.services.api_keys import keys_of, make_api_key, revoke_api_key
from control_plane.common.errors import BadRequest, Conflict, NotFound, TooManyRequests
from control_plane.common.permissions import StudioPermission
from control_plane.portal.page import actor_of, studio_page

SHOWN = 200
NONE_CHOSEN = "Select at least one permission."
NOTHING_TO_LEND = "You have no permission in the whole studio that a key could have."
LIFETIMES = (("7", "A week"), ("30", "A month"), ("90", "Three months"), ("365", "A year"))


class ApiKeyForm(forms.Form):
    """Form of a new API key: name, expiry, and scopes among the creator's permissions."""

    name = forms.CharField(max_length=80, help_text=gettext_lazy("The program that uses the key."))
    days = forms.ChoiceField(label=gettext_lazy("Expires after"), choices=LIFETIMES, initial="90")

    def __init__(self, *args: Any, lendable: frozenset[StudioPermission], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lent = lendable - ALWAYS_LENT
        self.fields["actions"] = forms.MultipleChoiceField(
            label=_("Permissions"),
            error_messages={"required": NONE_CHOSEN if lent else NOTHING_TO_LEND},
            widget=forms.CheckboxSelectMultiple,
            choices=[(action, action.meaning) for action in StudioPermission.all() if action in lent],
            help_text="" if lent else NOTHING_TO_LEND,
        )


@require_http_methods(("GET", "HEAD", "POST"))
def api_keys(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the person's own keys, or all keys for members with `MANAGE_STUDIO`, and creates a key."""
    actor = actor_of(request)
    access.require(actor, USE_API, request.studio)
    may = access.permissions(actor, request.studio.studio_id)
    form = ApiKeyForm(request.POST or None, lendable=may)
    made, secret = None, ""
    if request.method == "POST" and form.is_valid():
        ends_at = timezone.now() + timedelta(days=int(form.cleaned_data["days"]))
        wanted = [StudioPermission.named(value) for value in form.cleaned_data["actions"]]
        try:
            made, secret = make_api_key(
                request.studio,
                name=form.cleaned_data["name"],
                actions=wanted,
                expires_at=ends_at,
                actor=actor,
            )
        except (BadRequest, Conflict, TooManyRequests) as error:
            form.add_error(None, error.detail)
        else:
            form = ApiKeyForm(lendable=may)
    found = keys_of(actor, request.studio).select_related("user").order_by("-created_at", "pk")[:SHOWN]
    context = {"section": "settings", "form": form, "keys": found, "made": made, "secret": secret}
    return studio_page(request, "portal/api_keys/api_keys.html", context, status=422 if form.errors else 200)


@require_POST
def end_api_key(request: StudioRequest, slug: str, key_id: UUID) -> HttpResponse:
    """Revokes a key immediately."""
    actor = actor_of(request)
    access.require(actor, USE_API, request.studio)
    key = ApiKey.objects.filter(pk=key_id).first()
    if key is None:
        raise NotFound
    revoke_api_key(key, actor=actor)
    messages.success(request, _("The API key %(key)s was revoked.") % {"key": key.name})
    return redirect("portal:api_keys", slug)
