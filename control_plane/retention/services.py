"""Writes of rules, holds and the policy of a studio."""

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Forbidden
from control_plane.common.saving import check, save_unless_taken
from control_plane.common.scoping import studio_scope
from control_plane.recordings.class_type_models import ClassType
from control_plane.recordings.models import ClassSession
from control_plane.retention.audit_events import (
    HOLD_LIFTED,
    HOLD_PLACED,
    POLICY_CONFIRMED,
    RULE_REMOVED,
    RULE_SAVED,
)
from control_plane.retention.models import HoldKind, Preset, RetentionHold, RetentionPolicy, RetentionRule
from control_plane.retention.permissions import MANAGE_RETENTION
from control_plane.tenancy.models import Room, Studio


def confirm_policy(
    studio: Studio, *, preset: Preset, minors_days: int | None, adults_days: int | None, actor: Actor
) -> RetentionPolicy:
    """Saves how long recordings of a studio are kept unless a rule says otherwise; from now on dates are in force.

    Args:
        minors_days: where minors appear, or may appear; never None in the end.
        adults_days: of classes with a confirmed roster of adults; None: without end.

    Raises:
        BadRequest: a number of days is out of range, or recordings of minors would be kept without end.
        NotFound, Forbidden: `actor` is no person who may manage retention.
    """
    with studio_scope(studio.id):
        _require_person(actor, studio)
        if minors_days is None:
            raise BadRequest("Recordings of minors cannot be kept without end. Enter a number of days.")
        now = timezone.now()
        row = RetentionPolicy.objects.select_for_update().first() or RetentionPolicy(studio=studio)
        row.preset, row.minors_days, row.adults_days = preset, minors_days, adults_days
        row.confirmed_at, row.confirmed_by = now, actor.id
        check(row)
        save_unless_taken(row.save, "Somebody else has just saved this policy. Reload the page.")
        details = {"preset": preset, "minors_days": minors_days, "adults_days": adults_days}
        record_for(POLICY_CONFIRMED, studio, actor=actor, details=details)
    return row


def save_rule(
    studio: Studio,
    *,
    days: int | None,
    room: Room | None,
    class_type: ClassType | None = None,
    adults_only: bool,
    actor: Actor,
) -> RetentionRule:
    """Saves how long footage is kept, of one room or class type or of all; replaces the rule for the same.

    Args:
        days: None: without end.
        adults_only: it does not apply where minors appear or may appear.

    Raises:
        BadRequest: the number of days is out of range, room or class type is of another studio, or footage of minors
            would be kept without end.
        NotFound, Forbidden: `actor` is no person who may manage retention.
    """
    with studio_scope(studio.id):
        _require_person(actor, studio)
        if room is not None and room.studio_id != studio.id:
            raise BadRequest("This room is not in this studio.")
        if class_type is not None and class_type.studio_id != studio.id:
            raise BadRequest("This class type is not in this studio.")
        if days is None and not adults_only:
            raise BadRequest(
                "Recordings of minors cannot be kept without end. Enter a number of days, or limit the rule to adults."
            )
        scope = {"room": room, "class_type": class_type, "adults_only": adults_only}
        same = RetentionRule.objects.select_for_update().filter(**scope)
        row = same.first() or RetentionRule(studio=studio, **scope)
        row.days = days
        check(row)
        save_unless_taken(row.save, "Somebody else has just saved this rule. Reload the page.")
        details = {
            "rule": str(row.id),
            "room": str(room.id) if room else "",
            "class_type": str(class_type.id) if class_type else "",
            "days": days,
        }
        record_for(RULE_SAVED, studio, actor=actor, details=details)
    return row


def remove_rule(rule: RetentionRule, *, actor: Actor) -> None:
    """Removes a rule; the policy of the studio, or a wider rule, decides from now on.

    Raises:
        NotFound, Forbidden: `actor` is no person who may manage retention.
    """
    with studio_scope(rule.studio_id):
        studio = Studio.objects.get(pk=rule.studio_id)
        _require_person(actor, studio)
        if RetentionRule.objects.filter(pk=rule.pk).delete()[0]:
            record_for(RULE_REMOVED, studio, actor=actor, details={"rule": str(rule.id), "days": rule.days})


def place_hold(
    on: Studio | ClassSession, *, kind: HoldKind, reason: str, ends_at: datetime | None, actor: Actor
) -> RetentionHold:
    """Keeps a class, or everything of a studio, from deletion by date. "Keep this class until ..." is a manual hold.

    Args:
        ends_at: None: until it is lifted; for legal holds only.

    Raises:
        BadRequest: no reason, an end in the past, or a manual hold without an end.
        NotFound, Forbidden: `actor` is no person who may manage retention.
    """
    with studio_scope(on.studio_id):
        owner_id = _require_person(actor, on)
        if not reason.strip():
            raise BadRequest("Say why this is kept.")
        if ends_at is None and kind is not HoldKind.LEGAL:
            raise BadRequest("Say until when this is kept. Only a legal hold has no end.")
        if ends_at is not None and ends_at <= timezone.now():
            raise BadRequest("The end of the hold is in the past.")
        row = RetentionHold(
            studio_id=on.studio_id,
            class_session=on if isinstance(on, ClassSession) else None,
            kind=kind,
            reason=reason.strip(),
            owner_id=owner_id,
            ends_at=ends_at,
        )
        check(row)
        row.save(force_insert=True)
        details = {"hold": str(row.id), "kind": kind, "until": ends_at.isoformat() if ends_at else ""}
        record_for(HOLD_PLACED, on, actor=actor, details=details)
    return row


def lift_hold(hold: RetentionHold, *, actor: Actor) -> None:
    """Lifts a hold before its end. Idempotent.

    Raises:
        NotFound, Forbidden: `actor` is no person who may manage retention.
    """
    with studio_scope(hold.studio_id):
        on = hold.class_session or Studio.objects.get(pk=hold.studio_id)
        _require_person(actor, on)
        mine = RetentionHold.objects.filter(pk=hold.pk, lifted_at=None)
        if mine.update(lifted_at=timezone.now(), lifted_by=actor.id):
            record_for(HOLD_LIFTED, on, actor=actor, details={"hold": str(hold.id)})


def _require_person(actor: Actor, on: Studio | ClassSession) -> UUID:
    access.require(actor, MANAGE_RETENTION, on)
    if actor.kind is not ActorKind.USER or actor.id is None:
        raise Forbidden("Only a person decides how long recordings are kept.")
    return actor.id
