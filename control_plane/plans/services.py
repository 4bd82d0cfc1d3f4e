"""Writes of plans: operators create them and assign them to studios. Reads no footage and no class names."""

from typing import Any

from django.db import transaction

from control_plane.accounts import operators
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest
from control_plane.common.saving import check, save_new, save_unless_taken
from control_plane.common.scoping import studio_scope
from control_plane.plans.audit_events import PLAN_CHANGED, PLAN_CREATED, PLAN_GIVEN
from control_plane.plans.models import Limit, Plan, StudioPlan
from control_plane.tenancy.models import Studio

PLAN_FIELDS = frozenset({"name", "soft_percent", "contact", "is_default", *Limit.values})
LARGEST = 2**31 - 1


def require_operator(actor: Actor) -> None:
    """Checks that `actor` is a platform operator, or the platform itself.

    Raises:
        NotFound, Forbidden: as `accounts.operators.require_operator`.
    """
    if actor.kind is not ActorKind.SYSTEM:
        operators.require_operator(actor)


@transaction.atomic
def create_plan(*, actor: Actor, slug: str, name: str, **values: Any) -> Plan:
    """Creates a plan. A limit that is missing or None means no limit.

    Raises:
        BadRequest: a value breaks a rule.
        Conflict: the slug is taken.
        NotFound: `actor` is not an operator.
    """
    require_operator(actor)
    plan = Plan(slug=slug.strip(), name=name.strip(), **_known(values))
    _clear_other_defaults(plan)
    save_new(plan, f"There is already a plan {plan.slug!r}.")
    record_for(PLAN_CREATED, plan, actor=actor, details={"plan": plan.slug, "fields": sorted(values)})
    return plan


@transaction.atomic
def change_plan(plan: Plan, *, actor: Actor, **values: Any) -> Plan:
    """Changes a plan for every studio that has it, at once.

    Raises:
        BadRequest: an unknown field, or a value that breaks a rule.
        NotFound: `actor` is not an operator.
    """
    require_operator(actor)
    row: Plan = Plan.objects.select_for_update().get(pk=plan.pk)
    for name, value in _known(values).items():
        setattr(row, name, value)
    check(row)
    _clear_other_defaults(row)
    save_unless_taken(row.save, "There is already a default plan.")
    record_for(PLAN_CHANGED, row, actor=actor, details={"plan": row.slug, "fields": sorted(values)})
    return row


def assign_plan(
    studio: Studio,
    plan: Plan,
    *,
    actor: Actor,
    overrides: dict[str, int | None] | None = None,
    note: str = "",
) -> StudioPlan:
    """Assigns a plan to a studio. `overrides` replaces some of its limits (None: no limit).

    Raises:
        BadRequest: `overrides` has an unknown limit or an invalid number.
        NotFound: `actor` is not an operator.
    """
    require_operator(actor)
    checked = _overrides(overrides or {})
    with studio_scope(studio.id):
        row: StudioPlan
        row, _ = StudioPlan.objects.select_for_update().get_or_create(
            studio_id=studio.id, defaults={"plan": plan}
        )
        row.plan, row.overrides, row.note = plan, checked, note.strip()[:200]
        row.save()
        record_for(PLAN_GIVEN, row, actor=actor, details={"plan": plan.slug, "overrides": checked})
    return row


def _known(values: dict[str, Any]) -> dict[str, Any]:
    if unknown := set(values) - PLAN_FIELDS:
        raise BadRequest(f"{', '.join(sorted(unknown))}: not a field of a plan")
    return values


def _overrides(values: dict[str, int | None]) -> dict[str, int | None]:
    for name, value in values.items():
        if name not in Limit.values:
            raise BadRequest(f"{name}: not a limit; limits are {', '.join(Limit.values)}")
        most = 2**62 if name == Limit.STORAGE_BYTES.value else LARGEST
        if value is not None and not _is_number(value, most):
            raise BadRequest(f"{name}: must be a whole number from 0, or empty for no limit")
    return dict(values)


def _is_number(value: object, most: int) -> bool:
    return isinstance(value, int) and 0 <= value <= most


def _clear_other_defaults(plan: Plan) -> None:
    if plan.is_default:
        Plan.objects.filter(is_default=True).exclude(pk=plan.pk).update(is_default=False)
