"""Writes of break-glass access: temporary access of a platform operator to one studio, visible to its admins."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from control_plane.access import access, sources
from control_plane.access.audit_events import BREAK_GLASS_CLOSED, BREAK_GLASS_OPENED
from control_plane.access.models import BREAK_GLASS_LIMIT, REASON_LENGTH, BreakGlass
from control_plane.access.roles import BREAK_GLASS_PERMISSIONS, missing_needs
from control_plane.accounts.models import User
from control_plane.accounts.second_factor import has_second_factor
from control_plane.audit.events import AuditEvent
from control_plane.audit.services import record
from control_plane.common import mail
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.common.scoping import studio_scope
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_PEOPLE
from control_plane.tenancy.selectors import admin_addresses

SHORTEST_REASON = 20
MOST_HOURS = int(BREAK_GLASS_LIMIT.total_seconds() // 3600)


def open_break_glass(
    studio: Studio,
    operator: User,
    actions: Iterable[StudioPermission],
    reason: str,
    hours: float,
    *,
    actor: Actor,
) -> BreakGlass:
    """Opens break-glass access with exactly the permissions `actions`, for `hours` (above 0, at most `MOST_HOURS`).

    Writes an event to the audit logs of the studio and the platform, and mails every admin of the studio.

    Raises:
        NotFound: `operator` is no platform operator, or is not `actor`.
        Forbidden: the operator's account lacks the second factor that the studio or the platform requires.
        BadRequest: the permissions, hours or reason are invalid.
        TooManyRequests: the rate limit of break-glass access is exceeded.
    """
    wanted = frozenset(StudioPermission.named(action) for action in actions)
    reason = " ".join(reason.split())
    if actor.kind is not ActorKind.USER or actor.id != operator.id:
        raise NotFound
    with studio_scope(studio.id):
        _require_operator(operator)
        require_rate(BREAK_GLASS_OPENED, actor=actor)
        _check(wanted, reason, hours)
        glass = BreakGlass(
            studio=studio,
            operator=operator,
            actions=[action for action in StudioPermission.all() if action in wanted],
            reason=reason,
            ends_at=timezone.now() + timedelta(hours=hours),
        )
        glass.save(force_insert=True)
        _record_in_both_chains(
            BREAK_GLASS_OPENED,
            glass,
            actor,
            {"operator": str(operator.id), "actions": glass.actions, "ends_at": glass.ends_at.isoformat()},
        )
        _notify_admins(studio, operator, glass)
    return glass


def close_break_glass(glass: BreakGlass, *, actor: Actor) -> BreakGlass:
    """Ends break-glass access immediately; idempotent.

    Allowed for the operator, for members who manage people, and for the platform.

    Raises:
        NotFound, Forbidden: `actor` is none of these.
    """
    with studio_scope(glass.studio_id):
        own = actor.kind is ActorKind.USER and actor.id == glass.operator_id
        if not own and actor.kind is not ActorKind.SYSTEM:
            access.require(actor, MANAGE_PEOPLE, glass)
        now = timezone.now()
        still_open = BreakGlass.objects.filter(pk=glass.pk, closed_at__isnull=True, ends_at__gt=now)
        # Of two concurrent calls one closes it and writes the event.
        if still_open.update(closed_at=now, closed_by=actor.id) == 1:
            _record_in_both_chains(BREAK_GLASS_CLOSED, glass, actor, {"operator": str(glass.operator_id)})
        found: BreakGlass = BreakGlass.objects.get(pk=glass.pk)
    return found


def _require_operator(operator: User) -> None:
    if not User.objects.filter(pk=operator.pk, is_operator=True, is_active=True).exists():
        raise NotFound
    asked = settings.OPERATORS_NEED_SECOND_FACTOR or sources.signin_policy.admins_need_second_factor()
    if asked and not has_second_factor(operator):
        raise Forbidden(
            "Add a passkey or an authenticator app to your account first; a studio opens to no less."
        )


def _check(actions: frozenset[StudioPermission], reason: str, hours: float) -> None:
    if not actions:
        raise BadRequest("actions: say at least one.")
    if beyond := [action for action in StudioPermission.all() if action in actions - BREAK_GLASS_PERMISSIONS]:
        raise BadRequest(f"actions: support cannot be let in for {', '.join(beyond)}.")
    if found := missing_needs(actions):
        raise BadRequest("actions: " + " ".join(found))
    if not 0 < hours <= MOST_HOURS:
        raise BadRequest(f"hours: more than none and at most {MOST_HOURS}.")
    if not SHORTEST_REASON <= len(reason) <= REASON_LENGTH:
        raise BadRequest(
            f"reason: {SHORTEST_REASON} to {REASON_LENGTH} characters; the studio's admins will read it."
        )


def _record_in_both_chains(
    act: AuditEvent, glass: BreakGlass, actor: Actor, details: dict[str, object]
) -> None:
    for studio_id in (glass.studio_id, None):
        # The platform's chain names the studio; the studio's own chain need not.
        more = {} if studio_id else {"studio": str(glass.studio_id)}
        record(
            act,
            actor=actor,
            studio_id=studio_id,
            object_type="access.BreakGlass",
            object_id=glass.id,
            details={**details, **more},
        )


def _notify_admins(studio: Studio, operator: User, glass: BreakGlass) -> None:
    # After the commit: a failing mail server must not undo the access or hide it. The portal shows it too.
    mail.send_on_commit(
        "access/mail/break_glass",
        {
            "operator": operator.get_full_name(),
            "studio": studio.name,
            "reason": glass.reason,
            "ends_at": glass.ends_at,
            "permitted": [StudioPermission.named(value).meaning for value in glass.actions],
            "page": f"{settings.PUBLIC_URL}{reverse('portal:break_glass', args=[studio.slug])}",
        },
        to=admin_addresses(),
        time_zone=studio.time_zone,
    )
