"""Records damage of segments that a scan finds, and clears it when the object is intact again.

A finding counts only if the row still names the inspected object: the segment may have been migrated, replaced or
destroyed meanwhile. Call inside `studio_scope`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.events import AuditEvent
from control_plane.audit.services import record_for
from control_plane.common import mail
from control_plane.common.actors import Actor
from control_plane.integrity.audit_events import FOOTAGE_DAMAGED, FOOTAGE_REPAIRED
from control_plane.recordings.damage_models import DamageKind, SegmentDamage
from control_plane.recordings.models import ClassSession, Segment
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.recordings.selectors import class_timeline
from control_plane.recordings.services import infer_gaps, lock_classes
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import admin_addresses

MAX_NOTIFIED = 10_000
"""Segments per mail; the next night reports the rest."""


@dataclass(frozen=True, slots=True)
class DamageFinding:
    """A segment whose object, at the inspected location, differs from what was committed."""

    segment_id: UUID
    place: ObjectLocation
    kind: DamageKind
    detail: str


def record_damage(found: Sequence[DamageFinding], *, actor: Actor) -> list[UUID]:
    """Marks segments as damaged, so that playback shows gaps; returns the newly marked ones. Idempotent.

    Raises:
        Forbidden, NotFound: `actor` may not maintain the studio.
    """
    by_id = {item.segment_id: item for item in found}
    recorded: dict[UUID, list[SegmentDamage]] = defaultdict(list)
    for row in _lock_segments({item.segment_id: item.place for item in found}, actor):
        item = by_id[row.id]
        damage, is_new = SegmentDamage.objects.get_or_create(
            segment_id=row.id,
            defaults={
                "studio_id": row.studio_id,
                "class_session_id": row.class_session_id,
                "agent_id": row.agent_id,
                "kind": item.kind,
                "detail": item.detail[:200],
            },
        )
        if is_new:
            recorded[row.class_session_id].append(damage)
    for class_id, damages in recorded.items():
        segments = [{"id": str(item.segment_id), "problem": item.kind} for item in damages]
        _record_event(FOOTAGE_DAMAGED, class_id, actor, {"segments": segments})
    return [item.segment_id for damages in recorded.values() for item in damages]


def clear_damage(intact: Sequence[tuple[UUID, ObjectLocation]], *, actor: Actor) -> list[UUID]:
    """Clears the damage of segments whose objects were read back intact; returns those that had any.

    Raises:
        Forbidden, NotFound: `actor` may not maintain the studio.
    """
    cleared: dict[UUID, list[UUID]] = defaultdict(list)
    for row in _lock_segments(dict(intact), actor):
        if SegmentDamage.objects.filter(segment_id=row.id).delete()[0]:
            cleared[row.class_session_id].append(row.id)
    for class_id, segment_ids in cleared.items():
        details = {"segments": [str(id_) for id_ in segment_ids], "how": "sound_again"}
        _record_event(FOOTAGE_REPAIRED, class_id, actor, details)
    return [id_ for ids in cleared.values() for id_ in ids]


def notify_admins_of_damage() -> int:
    """Mails the admins of the studio in scope about damage found since the last mail; returns the number of segments.

    One mail, with counts and no names of classes: mail is less protected than the portal.
    """
    unreported = SegmentDamage.objects.select_for_update().filter(notified_at=None)
    damages = list(unreported.values_list("id", "class_session_id")[:MAX_NOTIFIED])
    if not damages:
        return 0
    SegmentDamage.objects.filter(pk__in=[id_ for id_, _ in damages]).update(notified_at=timezone.now())
    studio = Studio.objects.get()
    mail.send_on_commit(
        "integrity/mail/damage",
        {
            "segment_count": len(damages),
            "class_count": len({class_id for _, class_id in damages}),
            "studio": studio.name,
            "page": f"{settings.PUBLIC_URL}{reverse('portal:audit', args=[studio.slug])}?action={FOOTAGE_DAMAGED}",
        },
        to=admin_addresses(),
        time_zone=studio.time_zone,
    )
    return len(damages)


def _lock_segments(places: dict[UUID, ObjectLocation], actor: Actor) -> list[Segment]:
    """Locks and returns the rows that still name the inspected location. Lock order: classes before segments."""
    if not places:
        return []
    access.require(actor, MAINTAIN, Studio.objects.get())
    rows = Segment.objects.filter(pk__in=list(places)).exclude(class_session__wrapped_key=b"", kept=False)
    lock_classes(rows.values_list("class_session_id", flat=True))
    locked = rows.select_for_update(of=("self",)).defer("fragments_json", "wrapped_key").order_by("id")
    return [row for row in locked if ObjectLocation(row.store_id, row.object_key) == places[row.id]]


def _record_event(act: AuditEvent, class_id: UUID, actor: Actor, details: Mapping[str, object]) -> None:
    class_session: ClassSession = ClassSession.objects.get(pk=class_id)
    record_for(act, class_session, actor=actor, details=details)
    if class_session.has_ended and class_session.wrapped_key:
        infer_gaps(class_session, class_timeline(class_session))
