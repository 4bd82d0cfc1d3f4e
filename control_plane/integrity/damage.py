"""Segments whose objects are not what they were: put on record when found, taken off when sound again.

A fault is believed only where the row still names the object that was looked at: what was moved, replaced or destroyed
meanwhile is no finding. Call inside `studio_scope`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from control_plane.access import access
from control_plane.administration.services.notices import tell_admins
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.recordings.arrivals import ObjectPlace
from control_plane.recordings.fault_models import FaultKind, SegmentFault
from control_plane.recordings.models import ClassSession, Segment
from control_plane.recordings.selectors import class_timeline
from control_plane.recordings.services import infer_gaps, lock_classes
from control_plane.tenancy.models import Studio

MOST_TOLD = 10_000
"""Of segments in one mail; the rest is told of the next night."""


@dataclass(frozen=True, slots=True)
class Found:
    """A segment whose object, in the place that was looked at, is not what was committed."""

    segment_id: UUID
    place: ObjectPlace
    kind: FaultKind
    detail: str


def note_faults(found: Sequence[Found], *, actor: Actor) -> list[UUID]:
    """Makes each segment a gap that is served to nobody; returns those that are newly so. Once more is harmless.

    Raises:
        Forbidden, NotFound: `actor` may not maintain the studio.
    """
    by_id = {item.segment_id: item for item in found}
    noted: dict[UUID, list[SegmentFault]] = defaultdict(list)
    for row in _locked({item.segment_id: item.place for item in found}, actor):
        item = by_id[row.id]
        fault, is_new = SegmentFault.objects.get_or_create(
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
            noted[row.class_session_id].append(fault)
    for class_id, faults in noted.items():
        segments = [{"id": str(item.segment_id), "problem": item.kind} for item in faults]
        _say(Act.FOOTAGE_DAMAGED, class_id, actor, {"segments": segments})
    return [item.segment_id for faults in noted.values() for item in faults]


def lift_faults(sound: Sequence[tuple[UUID, ObjectPlace]], *, actor: Actor) -> list[UUID]:
    """Takes the faults from segments whose objects were read back and are what was committed; returns which had one.

    Raises:
        Forbidden, NotFound: `actor` may not maintain the studio.
    """
    lifted: dict[UUID, list[UUID]] = defaultdict(list)
    for row in _locked(dict(sound), actor):
        if SegmentFault.objects.filter(segment_id=row.id).delete()[0]:
            lifted[row.class_session_id].append(row.id)
    for class_id, segment_ids in lifted.items():
        details = {"segments": [str(id_) for id_ in segment_ids], "how": "sound_again"}
        _say(Act.FOOTAGE_REPAIRED, class_id, actor, details)
    return [id_ for ids in lifted.values() for id_ in ids]


def tell_of_damage() -> int:
    """Mails the admins of the studio in scope what was found damaged since the last mail; returns how many segments.

    One mail for all of it, with numbers and no names of classes: mail is read in more places than the portal.
    """
    untold = SegmentFault.objects.select_for_update().filter(told_at=None)
    faults = list(untold.values_list("id", "class_session_id")[:MOST_TOLD])
    if not faults:
        return 0
    SegmentFault.objects.filter(pk__in=[id_ for id_, _ in faults]).update(told_at=timezone.now())
    studio = Studio.objects.get()
    classes = len({class_id for _, class_id in faults})
    tell_admins(
        studio,
        f"Footage of {studio.name} is damaged",
        [
            f"The nightly check found {_counted(len(faults), 'segment')} of footage, in {_counted(classes, 'class')},"
            " missing or damaged in the store.",
            "Replay shows them as gaps. Agents that still have copies are asked to send them again.",
            "",
            'The classes and what became of each segment are in the audit log, under "Footage damaged":',
            f"{settings.PUBLIC_URL}/studio/{studio.slug}/settings/audit/",
            "If this happens again, have the disks and the store checked.",
        ],
    )
    return len(faults)


def _counted(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _locked(places: dict[UUID, ObjectPlace], actor: Actor) -> list[Segment]:
    """Returns the rows that still name the place that was looked at, locked, their classes before them."""
    if not places:
        return []
    access.require(actor, access.Action.MAINTAIN, Studio.objects.get())
    rows = Segment.objects.filter(pk__in=list(places)).exclude(class_session__wrapped_key=b"")
    lock_classes(rows.values_list("class_session_id", flat=True))
    locked = rows.select_for_update(of=("self",)).defer("fragments_json", "wrapped_key").order_by("id")
    return [row for row in locked if ObjectPlace(row.store_id, row.object_key) == places[row.id]]


def _say(act: Act, class_id: UUID, actor: Actor, details: Mapping[str, object]) -> None:
    class_session: ClassSession = ClassSession.objects.get(pk=class_id)
    record(
        act,
        actor=actor,
        studio_id=class_session.studio_id,
        object_type="recordings.ClassSession",
        object_id=class_id,
        details=dict(details),
    )
    if class_session.has_ended:
        infer_gaps(class_session, class_timeline(class_session))
