"""Classes of the past, in a studio that has decided how long to keep what."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import RECORD
from control_plane.keys import vault
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.retention.models import Preset
from control_plane.retention.services import confirm_policy
from control_plane.tenancy.models import Room
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast


def past_class(cast: Cast, room: Room, *, days_ago: float, **values: Any) -> UUID:
    """Returns the id of a complete class with a real key, which ended so many days ago."""
    at: datetime = timezone.now() - timedelta(days=days_ago)
    class_id = new_id()
    with studio_scope(cast.studio.id):
        key = vault.new_class_key(class_id, actor=cast.alice.actor, permission=RECORD, subject=room)
        ClassSession.objects.create(
            id=class_id,
            studio=cast.studio,
            room=room,
            wrapped_key=key,
            **{
                "title": f"{days_ago} days ago",
                "state": ClassState.COMPLETE,
                "requested_at": at,
                "stop_requested_at": at,
                "footage_bytes": 1000,
            }
            | values,
        )
    return class_id


def decide(cast: Cast, *, minors_days: int = 7, adults_days: int | None = 30) -> None:
    """Alice decides how long recordings are kept."""
    confirm_policy(
        cast.studio,
        preset=Preset.UK_EU,
        minors_days=minors_days,
        adults_days=adults_days,
        actor=cast.alice.actor,
    )


def kept(cast: Cast) -> set[UUID]:
    """Returns the classes whose key is there."""
    with studio_scope(cast.studio.id):
        return set(ClassSession.objects.exclude(wrapped_key=b"").values_list("id", flat=True))
