"""Data of a member's access page: permissions by role, grants and denials, and classes."""

from dataclasses import dataclass
from datetime import tzinfo
from uuid import UUID

from django.utils import timezone

from control_plane.access import access
from control_plane.access.decision import Reason, ReasonCode
from control_plane.access.models import ObjectPermission
from control_plane.access.reason_text import reason_text
from control_plane.access.roles import GROUPS
from control_plane.accounts.models import User
from control_plane.common.actors import Actor
from control_plane.people.models import Guardianship
from control_plane.portal.access.presenter import GrantLine, grant_lines
from control_plane.recordings.models import ClassSession
from control_plane.recordings.selectors import visible_classes
from control_plane.tenancy.models import Room, Studio

OWN_ONLY = "Only classes of their own dancers."


@dataclass(frozen=True, slots=True)
class StudioPermissionLine:
    """One permission in the whole studio; `because` is empty where the role alone decides."""

    title: str
    allowed: bool
    because: str


def studio_permissions(user: User, studio_id: UUID) -> list[tuple[str, list[StudioPermissionLine]]]:
    """Returns a person's permissions in the whole studio in scope, by group; the caller requires `MANAGE_PEOPLE`."""
    decisions = dict(access.what_can(user, studio_id))
    zone = timezone.get_current_timezone()
    return [
        (
            title,
            [
                StudioPermissionLine(
                    action.label,
                    decision.allowed or decision.reason.code is ReasonCode.NOT_OWN,
                    _besides_role(decision.reason, zone),
                )
                for action in actions
                if (decision := decisions.get(action)) is not None
            ],
        )
        for title, actions in GROUPS
    ]


def object_grants(actor: Actor, user: User, studio: Studio) -> list[GrantLine]:
    """Returns a person's grants and denials on objects that `actor` may see, with the object of each."""
    rows = access.visible(actor, ObjectPermission).filter(user=user).select_related("user", "permission")
    found = list(rows.order_by("-given_at"))
    return grant_lines(found, _things({row.object_pk for row in found}, studio))


def classes_seen(user: User, *, most: int) -> tuple[int, list[ClassSession]]:
    """Returns the number of classes that a person can see, and the latest of them."""
    found = visible_classes(user.actor)
    return found.count(), list(found[:most])


def own_dancers(actor: Actor, user: User) -> list[Guardianship]:
    """Returns the dancers of a guardian that `actor` may see."""
    rows = access.visible(actor, Guardianship).filter(user=user, ended_at__isnull=True)
    return list(rows.select_related("dancer").order_by("dancer__name"))


def _besides_role(reason: Reason, zone: tzinfo) -> str:
    """Returns the reason where it is not the role alone, which the page states once."""
    if reason.code is ReasonCode.NOT_OWN:
        return OWN_ONLY
    return (
        "" if reason.code in {ReasonCode.ROLE, ReasonCode.NO_PERMISSION} else reason_text(reason, zone=zone)
    )


def _things(ids: set[str], studio: Studio) -> dict[str, str]:
    names = {str(studio.id): "the whole studio"}
    rooms = Room.objects.filter(pk__in=ids).values_list("id", "name")
    names |= {str(id_): f"in the room {name}" for id_, name in rooms}
    titles = ClassSession.objects.filter(pk__in=ids).values_list("id", "title")
    return names | {str(id_): title for id_, title in titles}
