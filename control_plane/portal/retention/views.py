"""Policy, rules and runs of retention. Every change is previewed before it is saved."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.retention.forms import PolicyForm, RuleForm
from control_plane.portal.retention.presenter import calendar, open_holds, preview_of
from control_plane.retention import runs, services
from control_plane.retention.evaluator import PolicyFacts, RuleFact
from control_plane.retention.models import OPEN_RUNS, RetentionPolicy, RetentionRule, RetentionRun
from control_plane.retention.permissions import MANAGE_RETENTION
from control_plane.retention.planning import plan_studio, preview, read_policy
from shared.protocol.ids import new_id

HERE: dict[str, Any] = {"section": "settings"}
LATEST_RUNS = 10


@require_safe
def overview(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the policy, rules, holds, the calendar of deletions, and runs."""
    access.require(actor_of(request), MANAGE_RETENTION, request.studio)
    return _overview(request)


@require_POST
def policy(request: StudioRequest, slug: str) -> HttpResponse:
    """Previews a policy; saves it if the preview was confirmed."""
    actor = actor_of(request)
    access.require(actor, MANAGE_RETENTION, request.studio)
    form = PolicyForm(request.POST)
    if not form.is_valid():
        return _overview(request, policy_form=form)
    values = form.cleaned_data
    if "save" not in request.POST:
        changed = replace(
            read_policy(),
            confirmed=True,
            minors_days=values["minors_days"],
            adults_days=values["adults_days"],
        )
        return _preview(request, changed, form, "portal:retention_policy")
    try:
        services.confirm_policy(request.studio, actor=actor, **values)
    except (BadRequest, Conflict) as error:
        form.add_error(None, error.detail)
        return _overview(request, policy_form=form)
    messages.success(request, _("The policy is in force."))
    return redirect("portal:retention", slug)


@require_POST
def rule(request: StudioRequest, slug: str) -> HttpResponse:
    """Previews a rule; saves it if the preview was confirmed."""
    actor = actor_of(request)
    access.require(actor, MANAGE_RETENTION, request.studio)
    form = RuleForm(request.POST)
    if not form.is_valid():
        return _overview(request, rule_form=form)
    values = form.cleaned_data
    try:
        if "save" not in request.POST and (values["days"] is not None or values["adults_only"]):
            return _preview(request, _with_rule(read_policy(), values), form, "portal:retention_rule")
        services.save_rule(request.studio, actor=actor, **values)
    except (BadRequest, Conflict) as error:
        form.add_error(None, error.detail)
        return _overview(request, rule_form=form)
    messages.success(request, _("The rule is saved."))
    return redirect("portal:retention", slug)


@require_POST
def remove_rule(request: StudioRequest, slug: str, retention_rule_id: UUID) -> HttpResponse:
    """Removes a rule."""
    actor = actor_of(request)
    access.require(actor, MANAGE_RETENTION, request.studio)
    found: RetentionRule | None = RetentionRule.objects.filter(pk=retention_rule_id).first()
    if found is None:
        raise NotFound
    services.remove_rule(found, actor=actor)
    messages.success(request, _("The rule is removed."))
    return redirect("portal:retention", slug)


@require_POST
def start(request: StudioRequest, slug: str) -> HttpResponse:
    """Starts a run now."""
    try:
        run = runs.start_run(request.studio, actor=actor_of(request))
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        if run is None:
            messages.error(request, _("Decide first how long recordings are kept."))
        else:
            messages.success(request, _("The run has started. This page shows its progress."))
    return redirect("portal:retention", slug)


@require_POST
def confirm_run(request: StudioRequest, slug: str, retention_run_id: UUID) -> HttpResponse:
    """Lets a run go on that stopped to ask."""
    return _end_wait(request, retention_run_id, runs.confirm_run, _("The run goes on."))


@require_POST
def cancel_run(request: StudioRequest, slug: str, retention_run_id: UUID) -> HttpResponse:
    """Cancels a run."""
    return _end_wait(request, retention_run_id, runs.cancel_run, _("The run is cancelled."))


def _end_wait(request: StudioRequest, run_id: UUID, act: Any, done: str) -> HttpResponse:
    actor = actor_of(request)
    access.require(actor, MANAGE_RETENTION, request.studio)
    found: RetentionRun | None = RetentionRun.objects.filter(pk=run_id).first()
    if found is None:
        raise NotFound
    try:
        act(found, actor=actor)
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, done)
    return redirect("portal:retention", slug=request.studio.slug)


def _with_rule(facts: PolicyFacts, values: dict[str, Any]) -> PolicyFacts:
    room_id, class_type_id = (values[name].id if values[name] else None for name in ("room", "class_type"))
    new = RuleFact(
        new_id(),
        values["days"],
        room_id=room_id,
        class_type_id=class_type_id,
        adults_only=values["adults_only"],
    )
    return facts.with_rule(new)


def _preview(request: StudioRequest, changed: PolicyFacts, form: Form, save_url: str) -> HttpResponse:
    found = preview(request.studio, changed, actor=actor_of(request))
    context = HERE | {
        "preview": preview_of(found),
        "form": form,
        "save_url": save_url,
        "hidden": _fields(request.POST),
    }
    return studio_page(request, "portal/retention/preview.html", context)


def _fields(posted: QueryDict) -> list[tuple[str, str]]:
    return [(name, str(posted[name])) for name in posted if name not in ("csrfmiddlewaretoken", "save")]


def _overview(
    request: StudioRequest, *, policy_form: PolicyForm | None = None, rule_form: RuleForm | None = None
) -> HttpResponse:
    row: RetentionPolicy | None = RetentionPolicy.objects.first()
    initial = (
        {"preset": row.preset, "minors_days": row.minors_days, "adults_days": row.adults_days} if row else {}
    )
    # Without a decision, the calendar shows what the form proposes.
    plan = plan_studio(request.studio, policy=replace(read_policy(), confirmed=True))
    latest = list(RetentionRun.objects.all()[:LATEST_RUNS])
    wrong = policy_form is not None or rule_form is not None
    context = HERE | {
        "policy": row,
        "policy_form": policy_form
        or PolicyForm(initial=initial or {"minors_days": read_policy().minors_days}),
        "rule_form": rule_form or RuleForm(),
        "rules": RetentionRule.objects.select_related("room", "class_type").order_by(
            "room__name", "class_type__name", "adults_only"
        ),
        "holds": open_holds(timezone.now()),
        "days": calendar(request.studio, plan),
        "runs": latest,
        "has_open_run": any(run.state in OPEN_RUNS for run in latest),
    }
    return studio_page(request, "portal/retention/overview.html", context, status=422 if wrong else 200)
