"""Erasure of a dancer: a report of what shows them, the deletion, a receipt, and its repetition after a restore.

The recordings that are chosen are destroyed by their keys, which no backup has. The rows about the dancer are deleted; the
audit log keeps their id, which is a pseudonym once the name is gone. The key share store, which no backup contains either,
remembers the id: after a restore of the database `repeat_erasures` deletes the same dancers again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.audit.chain import canonical_json
from control_plane.audit.models import Entry
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.access_package import sections_about
from control_plane.data_requests.audit_events import DANCER_ERASED
from control_plane.data_requests.deadlines import due_on
from control_plane.data_requests.models import DataRequest, RequestKind, RequestState
from control_plane.data_requests.permissions import ANSWER_DATA_REQUESTS
from control_plane.keys.models import KeyTombstone, TombstoneKind
from control_plane.keys.services.tombstones import is_marked_destroyed, record_tombstone
from control_plane.people.events import DancerErased
from control_plane.people.models import Dancer
from control_plane.recordings.models import RUNNING, Appearance, ClassSession
from control_plane.recordings.shredding import shred_class

SYSTEM = Actor.system("data_requests.repeat_erasures")


@dataclass(frozen=True, slots=True)
class ShownIn:
    """A class that shows, or may show, the dancer. `others`: other dancers on its roster."""

    class_session: ClassSession
    confirmed: bool
    others: int
    is_destroyed: bool


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """The classes and rows that the erasure of a dancer concerns.

    Args:
        held: the number of rows of each kind, by title.
        audit_events: events of the audit log about the dancer, which stay.
    """

    classes: list[ShownIn]
    held: list[tuple[str, int]]
    audit_events: int

    @property
    def running(self) -> list[ShownIn]:
        """Classes that are being recorded now: they must end first."""
        return [item for item in self.classes if item.class_session.state in RUNNING]


def erasure_report(dancer: Dancer, *, actor: Actor) -> ErasureReport:
    """Returns what shows the dancer and what is held about them.

    Raises:
        NotFound, Forbidden: `actor` may not answer requests.
    """
    with studio_scope(dancer.studio_id):
        access.require(actor, ANSWER_DATA_REQUESTS, dancer)
        return ErasureReport(
            classes=_shown_in(dancer),
            held=[(item.title, len(item.rows)) for item in sections_about(dancer) if item.rows],
            audit_events=Entry.objects.filter(object_id=str(dancer.id)).count(),
        )


def erase_dancer(
    dancer: Dancer,
    *,
    destroy: Collection[UUID],
    confirmation: str,
    requester: str,
    reason: str = "",
    actor: Actor,
) -> DataRequest:
    """Erases a dancer permanently; returns the closed request with the receipt.

    An open request for erasure is closed; without one, a request of today is entered and closed.

    Args:
        destroy: ids of the classes whose recordings are destroyed. The dancer is taken off the rosters of the others.
        confirmation: the name of the dancer, as typed by the person.
        requester: the person who asked, if there is no open request.

    Raises:
        BadRequest: `confirmation` is not the name, nobody asked, or a class is not one that shows the dancer.
        Conflict: a class that shows the dancer is being recorded.
        NotFound, Forbidden: `actor` may not answer requests, or not destroy recordings.
    """
    with studio_scope(dancer.studio_id):
        access.require(actor, ANSWER_DATA_REQUESTS, dancer)
        if confirmation.strip() != dancer.name:
            raise BadRequest(_("Type the name of the dancer exactly as shown, to confirm."))
        shown = {item.class_session.id: item for item in _shown_in(dancer)}
        if unknown := set(destroy) - shown.keys():
            raise BadRequest(
                _("%(count)d of these classes do not show the dancer.") % {"count": len(unknown)}
            )
        if any(item.class_session.state in RUNNING for item in shown.values()):
            raise Conflict(_("A class that shows the dancer is being recorded. Stop it first."))
        request = _request_for(dancer, requester)
        chosen = [shown[id_] for id_ in sorted(destroy) if not shown[id_].is_destroyed]
        for item in chosen:
            title = item.class_session.title
            shred_class(item.class_session, confirmation=title, reason=reason, actor=actor)
        receipt = {
            "dancer": str(dancer.id),
            "erased_at": timezone.now().isoformat(),
            "by": str(actor.id or ""),
            "recordings_destroyed": [str(item.class_session.id) for item in chosen],
            "recordings_kept": sorted(str(id_) for id_ in shown if id_ not in set(destroy)),
            "rows_deleted": {item.name: len(item.rows) for item in sections_about(dancer)},
            "audit_events_kept": Entry.objects.filter(object_id=str(dancer.id)).count(),
        }
        _delete(dancer, reason=reason, actor=actor, details={"request": str(request.id), **_counts(receipt)})
        request.transition(
            RequestState.DONE,
            closed_at=timezone.now(),
            closed_by=actor.id,
            answer=reason.strip()[:1000],
            receipt=receipt,
            receipt_sha256=sha256(canonical_json(receipt, "receipt")).hexdigest(),
        )
    return request


def repeat_erasures(*, actor: Actor = SYSTEM) -> int:
    """Deletes erased dancers of the studio in scope that a restore of the database brought back; returns how many.

    Raises:
        KeysUnavailable: the key share store cannot be read; the next call does the rest.
    """
    known = KeyTombstone.objects.filter(kind=TombstoneKind.DANCER)
    unmarked = Dancer.objects.exclude(pk__in=known.values("object_id")).order_by("id")
    restored = [dancer for dancer in unmarked if is_marked_destroyed(dancer.id)]
    for dancer in restored:
        _delete(dancer, reason="", actor=actor, details={"again": True})
    return len(restored)


def _shown_in(dancer: Dancer) -> list[ShownIn]:
    others = Count("class_session__appearances", filter=~Q(class_session__appearances__dancer=dancer))
    rows = (
        Appearance.objects.filter(dancer=dancer)
        .select_related("class_session__room")
        .annotate(others=others)
        .order_by("-class_session__requested_at")
    )
    return [
        ShownIn(
            class_session=row.class_session,
            confirmed=row.confirmed_at is not None,
            others=row.others,
            is_destroyed=not row.class_session.wrapped_key,
        )
        for row in rows
    ]


def _request_for(dancer: Dancer, requester: str) -> DataRequest:
    waiting: DataRequest | None = (
        DataRequest.objects.select_for_update()
        .filter(dancer_id=dancer.id, kind=RequestKind.ERASURE, state=RequestState.OPEN)
        .first()
    )
    if waiting is not None:
        return waiting
    if not requester.strip():
        raise BadRequest(_("Enter the name of the person who asked."))
    today: date = timezone.localdate()
    made: DataRequest = DataRequest.objects.create(
        studio_id=dancer.studio_id,
        kind=RequestKind.ERASURE,
        dancer_id=dancer.id,
        requester=requester.strip()[:120],
        received_on=today,
        due_on=due_on(today),
    )
    return made


def _delete(dancer: Dancer, *, reason: str, actor: Actor, details: dict[str, object]) -> None:
    # Before the row is gone: the event names its id, and the audit log looks up no name of a deleted row.
    record_for(DANCER_ERASED, dancer, actor=actor, details=details)
    record_tombstone(TombstoneKind.DANCER, dancer.id, reason=reason, actor=actor, studio_id=dancer.studio_id)
    DancerErased(dancer.id).publish()
    Appearance.objects.filter(dancer=dancer).delete()
    with connection.cursor() as cursor:
        # Records of consent are append-only; the database deletes those of this dancer while this is set.
        cursor.execute("SELECT set_config('threedance.erasing', %s, true)", [str(dancer.pk)])
        dancer.delete()
        cursor.execute("SELECT set_config('threedance.erasing', '', true)")


def _counts(receipt: dict[str, object]) -> dict[str, object]:
    destroyed, kept = receipt["recordings_destroyed"], receipt["recordings_kept"]
    return {"destroyed": destroyed, "kept": kept}
