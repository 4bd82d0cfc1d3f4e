"""Questions of the tests of permissions: whether a person may act, why, and what the audit log has of it."""

from django.utils import timezone

from control_plane.access import access
from control_plane.access.access import Why
from control_plane.audit.models import Entry
from control_plane.common.permissions import StudioPermission
from control_plane.common.scoping import studio_scope
from control_plane.people.models import Dancer
from control_plane.recordings.models import Appearance, ClassSession, ClassState
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


def why(cast: Cast, who: str, action: StudioPermission, obj: object) -> Why:
    """Returns what decided it for the person of that name."""
    with studio_scope(cast.studio.id):
        return access.decide(getattr(cast, who).actor, action, obj).reason.why  # type: ignore[arg-type]


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
