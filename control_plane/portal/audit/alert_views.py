"""Alerts on unusual reads: the list, acknowledgement, and the alert rules."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.common import mail
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.compliance.anomaly_alerts import (
    THRESHOLD_FIELDS,
    acknowledge,
    change_thresholds,
    thresholds_of,
)
from control_plane.compliance.anomaly_rules import RULE_LABELS, Thresholds
from control_plane.compliance.audit_events import ALERTS_READ
from control_plane.compliance.models import Alert, AnomalyThresholds
from control_plane.compliance.name_lookup import NameLookup
from control_plane.portal.page import actor_of, studio_page

PAGE_SIZE = 50
HERE: dict[str, Any] = {"section": "settings"}


class LimitsForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of the thresholds above which a read is unusual."""

    class Meta:
        model = AnomalyThresholds
        fields = THRESHOLD_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = str(field.label)[:1].upper() + str(field.label)[1:]

    def validate_unique(self) -> None:
        """Does nothing: the service checks, and the form creates no row."""


@require_safe
def alert_list(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the alerts, newest first."""
    actor = actor_of(request)
    access.require(actor, MANAGE_POLICY, request.studio)
    found = Alert.objects.select_related("acknowledgement").order_by("-raised_at", "-id")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    alerts = list(page.object_list)
    names = NameLookup(
        actor,
        [alert.person_id for alert in alerts]
        + [alert.acknowledgement.acknowledged_by for alert in alerts if hasattr(alert, "acknowledgement")],
        [("recordings.ClassSession", str(alert.facts.get("object", ""))) for alert in alerts],
    )
    note_read(ALERTS_READ, request.studio, actor=actor, rows=len(alerts))
    context = HERE | {
        "page": page,
        "rows": [_row(alert, names) for alert in alerts],
        "has_mail": mail.has_server(),
    }
    return studio_page(request, "portal/audit/alerts.html", context)


@require_POST
def acknowledge_alert(request: StudioRequest, slug: str, alert_id: UUID) -> HttpResponse:
    """Records that a person has examined an alert."""
    actor = actor_of(request)
    alert = access.visible(actor, Alert).filter(pk=alert_id).first()
    if alert is None:
        access.require(actor, MANAGE_POLICY, request.studio)
        raise NotFound
    try:
        acknowledge(alert, note=request.POST.get("note", ""), actor=actor)
    except (BadRequest, Conflict) as error:
        messages.error(request, error.detail)
    return redirect("portal:alerts", slug)


@require_http_methods(["GET", "HEAD", "POST"])
def alert_rules(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows and changes the alert rules."""
    actor = actor_of(request)
    access.require(actor, MANAGE_POLICY, request.studio)
    now = thresholds_of(request.studio.id)
    before = {name: getattr(now, name) for name in THRESHOLD_FIELDS}
    form = LimitsForm(request.POST or None, initial=before)
    if request.method == "POST" and form.is_valid():
        try:
            change_thresholds(
                request.studio,
                Thresholds(**{name: form.cleaned_data[name] for name in THRESHOLD_FIELDS}),
                actor=actor,
            )
        except BadRequest as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("Saved."))
            return redirect("portal:alerts", slug)
    status = 422 if form.errors else 200
    return studio_page(request, "portal/audit/alert_rules.html", HERE | {"form": form}, status=status)


def _row(alert: Alert, names: NameLookup) -> dict[str, Any]:
    seen = getattr(alert, "acknowledgement", None)
    shows_class = str(alert.facts.get("action", "")).startswith("class.")
    return {
        "alert": alert,
        "label": RULE_LABELS.get(alert.rule, alert.rule),
        "who": names.person(alert.person_id) if alert.person_id else "",
        "count": alert.facts.get("count") or "",
        "thing": names.thing("recordings.ClassSession", str(alert.facts["object"])) if shows_class else "",
        "seen_by": names.person(seen.acknowledged_by) if seen else "",
        "note": seen.note if seen else "",
    }
