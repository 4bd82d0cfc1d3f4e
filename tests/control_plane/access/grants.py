"""Helpers of the tests of access: decisions and their reasons, the last audit event, classes, and facts of a test app."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from control_plane.access import access
from control_plane.access.model_access import CLASS
from control_plane.access.sources import FactEffect, FactSource
from control_plane.audit.models import Entry
from control_plane.common.permissions import StudioPermission
from control_plane.common.scoping import studio_scope
from control_plane.people.models import Dancer
from control_plane.recordings.models import Appearance, ClassSession, ClassState
from control_plane.recordings.permissions import EXPORT, REPLAY, VIEW_CLASS
from control_plane.tenancy.models import Room
from tests.control_plane.conftest import Cast


def recorded(room: Room, title: str = "Ballet") -> ClassSession:
    """Returns a class that is over, in a room."""
    with studio_scope(room.studio_id):
        row: ClassSession = ClassSession.objects.create(
            studio_id=room.studio_id,
            room=room,
            title=title,
            state=ClassState.COMPLETE,
            requested_at=timezone.now(),
            wrapped_key=b"x",
        )
        return row


def may(cast: Cast, who: str, action: StudioPermission, obj: object) -> bool:
    """Returns whether the person of that name may do it."""
    with studio_scope(cast.studio.id):
        return access.can(getattr(cast, who).actor, action, obj)  # type: ignore[arg-type]


def why(cast: Cast, who: str, action: StudioPermission, obj: object) -> str:
    """Returns what decided it for the person of that name."""
    with studio_scope(cast.studio.id):
        return access.decide(getattr(cast, who).actor, action, obj).reason.code  # type: ignore[arg-type]


def last(cast: Cast) -> Entry:
    """Returns the newest entry of the studio's audit log."""
    with studio_scope(cast.studio.id):
        entry: Entry = Entry.objects.order_by("-sequence")[0]
        return entry


def danced(dancer: Dancer, row: ClassSession, *, confirmed: bool = True) -> Appearance:
    """Puts a dancer on the list of a class."""
    with studio_scope(row.studio_id):
        found: Appearance = Appearance.objects.create(
            studio_id=row.studio_id,
            class_session=row,
            dancer=dancer,
            confirmed_at=timezone.now() if confirmed else None,
        )
        return found


@dataclass(frozen=True)
class Listed:
    """A fact of a test app: true of the people and classes that are listed."""

    user_ids: Collection[UUID]
    class_ids: Collection[UUID]

    def holders(self, on: Mapping[str, UUID], user_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns the listed people, if the class is listed."""
        return set(self.user_ids) & set(user_ids) if on.get(CLASS) in self.class_ids else set()

    def condition(self, user_id: UUID, paths: Mapping[str, str], now: datetime) -> Q:
        """Returns the same for rows."""
        if CLASS not in paths or user_id not in self.user_ids:
            return Q(pk__in=[])
        return Q(**{f"{paths[CLASS]}__in": list(self.class_ids)})


def share_tickets(user_ids: Collection[UUID], class_ids: Collection[UUID]) -> FactSource:
    """Returns a source that grants: people hold tickets to view and replay classes."""
    return FactSource(
        code="share_ticket",
        effect=FactEffect.GRANT,
        facts=Listed(user_ids, class_ids),
        text="Holds a ticket.",
        actions=frozenset({VIEW_CLASS, REPLAY}),
    )


def withdrawn_consents(user_ids: Collection[UUID], class_ids: Collection[UUID]) -> FactSource:
    """Returns a source that vetoes: a consent to show classes to people was withdrawn."""
    return FactSource(
        code="consent_withdrawn",
        effect=FactEffect.VETO,
        facts=Listed(user_ids, class_ids),
        text="A consent was withdrawn.",
        actions=frozenset({REPLAY, EXPORT}),
    )
