"""The operator's pages of plans and usage. They show no footage and no person's name."""

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
from django.views.decorators.http import require_http_methods, require_safe

from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.plans.models import Limit, Plan, StudioPlan
from control_plane.plans.quotas import allowance
from control_plane.plans.services import assign_plan, change_plan, create_plan, require_operator
from control_plane.portal.operator.presenter import studio_by_id
from control_plane.portal.page import actor_of, page_number
from control_plane.recordings.plan_usage import limit_usages, list_studio_usage

PAGE_SIZE = 25
READ_WRITE = ("GET", "HEAD", "POST")
GB = 10**9


def _limit_fields() -> dict[str, forms.Field]:
    return {
        limit.value: forms.DecimalField(
            label=f"{limit.label} (GB)" if limit is Limit.STORAGE_BYTES else limit.label,
            min_value=0,
            max_value=10**9,
            decimal_places=3 if limit is Limit.STORAGE_BYTES else 0,
            required=False,
        )
        for limit in Limit
    }


class PlanForm(forms.Form):
    """Form of a plan; an empty field means no limit."""

    name = forms.CharField(max_length=80)
    contact = forms.CharField(
        max_length=120,
        required=False,
        help_text=gettext_lazy("Contact for a larger plan: an e-mail address or a page."),
    )
    soft_percent = forms.IntegerField(
        min_value=1, max_value=100, initial=80, label=gettext_lazy("Warn at (per cent of the storage)")
    )
    is_default = forms.BooleanField(required=False, label=gettext_lazy("Default for studios without a plan"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update(_limit_fields())

    def limits(self) -> dict[str, int | None]:
        """Returns the limits in their stored form."""
        return {limit.value: _stored(limit, self.cleaned_data[limit.value]) for limit in Limit}


class NewPlanForm(PlanForm):
    """Form of a new plan."""

    slug = forms.SlugField(
        max_length=40, label=gettext_lazy("Short name"), help_text=gettext_lazy("It cannot be changed.")
    )
    field_order = ("slug", "name")


class StudioPlanForm(forms.Form):
    """Form of a studio's plan and of the limits agreed individually."""

    plan = forms.ModelChoiceField(queryset=Plan.objects.none())
    note = forms.CharField(max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["plan"].queryset = Plan.objects.all()  # type: ignore[attr-defined]
        for name, field in _limit_fields().items():
            field.help_text = "Empty: the limit of the plan."
            self.fields[name] = field

    def overrides(self) -> dict[str, int | None]:
        """Returns the limits that differ from the plan's."""
        found = {limit: self.cleaned_data[limit.value] for limit in Limit}
        return {limit.value: _stored(limit, value) for limit, value in found.items() if value is not None}


@require_safe
@never_cache
@login_required
def plan_list(request: HttpRequest) -> HttpResponse:
    """Lists the plans, and the usage of each studio, in pages."""
    actor = actor_of(request)
    require_operator(actor)
    number = page_number(request)
    listed = list_studio_usage(actor=actor, first=(number - 1) * PAGE_SIZE, most=PAGE_SIZE + 1)
    context = {
        "plans": Plan.objects.all(),
        "studios": listed[:PAGE_SIZE],
        "number": number,
        "next": number + 1 if len(listed) > PAGE_SIZE else None,
        "previous": number - 1 if number > 1 else None,
    }
    return render(request, "portal/operator/plans.html", context)


@require_http_methods(READ_WRITE)
@never_cache
@login_required
def new_plan(request: HttpRequest) -> HttpResponse:
    """Creates a plan."""
    actor = actor_of(request)
    require_operator(actor)
    form = NewPlanForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            plan = create_plan(actor=actor, slug=data["slug"], **_facts(form))
        except (BadRequest, Conflict) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("The plan %(plan)s was created.") % {"plan": plan.name})
            return redirect("portal:operator_plans")
    return _form(request, form, "A new plan")


@require_http_methods(READ_WRITE)
@never_cache
@login_required
def plan_page(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """Changes a plan."""
    actor = actor_of(request)
    require_operator(actor)
    plan = Plan.objects.filter(pk=plan_id).first()
    if plan is None:
        raise NotFound
    first = {name: getattr(plan, name) for name in ("name", "contact", "soft_percent", "is_default")}
    first |= {limit.value: _typed(limit, getattr(plan, limit.value)) for limit in Limit}
    form = PlanForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            change_plan(plan, actor=actor, **_facts(form))
        except (BadRequest, Conflict) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("Saved. The plan applies to all its studios from now on."))
            return redirect("portal:operator_plans")
    return _form(request, form, plan.name)


@require_http_methods(READ_WRITE)
@never_cache
@login_required
def studio_plan(request: HttpRequest, studio_id: UUID) -> HttpResponse:
    """Assigns a plan to a studio, and shows its usage."""
    actor = actor_of(request)
    require_operator(actor)
    studio = studio_by_id(studio_id)
    if studio is None:
        raise NotFound
    with studio_scope(studio.id):
        given: StudioPlan | None = StudioPlan.objects.select_related("plan").first()
        used = limit_usages(allowance())
    first: dict[str, Any] = {}
    if given:
        first = {"plan": given.plan_id, "note": given.note}
        first |= {name: _typed(Limit(name), value) for name, value in given.overrides.items()}
    form = StudioPlanForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            assign_plan(studio, data["plan"], actor=actor, overrides=form.overrides(), note=data["note"])
        except BadRequest as error:
            form.add_error(None, error.detail)
        else:
            messages.success(
                request,
                _("%(studio)s now has the plan %(plan)s.")
                % {"studio": studio.name, "plan": data["plan"].name},
            )
            return redirect("portal:operator_plans")
    return _form(request, form, studio.name, uses=used)


def _form(request: HttpRequest, form: forms.Form, title: str, **context: Any) -> HttpResponse:
    values = {"form": form, "title": title, **context}
    return render(request, "portal/operator/plan.html", values, status=422 if form.errors else 200)


def _facts(form: PlanForm) -> dict[str, Any]:
    data = form.cleaned_data
    return {name: data[name] for name in ("name", "contact", "soft_percent", "is_default")} | form.limits()


def _stored(limit: Limit, value: Any) -> int | None:
    if value is None:
        return None
    return int(value * GB) if limit is Limit.STORAGE_BYTES else int(value)


def _typed(limit: Limit, value: int | None) -> float | int | None:
    return value / GB if value is not None and limit is Limit.STORAGE_BYTES else value
