"""Writes of the timetable: class types, the dancers enrolled for them, and the class type of a class."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict
from control_plane.common.names import clean_name
from control_plane.common.saving import save_new
from control_plane.common.scoping import studio_scope
from control_plane.people.models import Dancer
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.plans.rate_limits import require_rate
from control_plane.recordings.audit_events import (
    CLASS_TYPE_ADDED,
    CLASS_TYPE_ENDED,
    CLASS_TYPE_SET,
    ENROLMENT_ENDED,
    ENROLMENT_STARTED,
)
from control_plane.recordings.class_type_models import ClassType, Enrolment
from control_plane.recordings.models import ClassSession
from control_plane.recordings.services import lock_class
from control_plane.tenancy.models import Studio

MOST_CLASS_TYPES = 500
MOST_ENROLLED = 500
FARTHEST = timedelta(days=3660)


def add_class_type(studio: Studio, name: str, *, actor: Actor) -> ClassType:
    """Adds a class type.

    Raises:
        BadRequest: no name, or one that is too long.
        Conflict: a class type of this name is given already, or there are too many.
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_DANCERS, studio)
        require_rate(CLASS_TYPE_ADDED, actor=actor)
        if ClassType.objects.filter(ended_at=None).count() >= MOST_CLASS_TYPES:
            raise Conflict(f"There are {MOST_CLASS_TYPES} class types. End one of them first.")
        row = ClassType(studio=studio, name=clean_name(name))
        save_new(row, "There is a class type of this name already.")
        record_for(CLASS_TYPE_ADDED, row, actor=actor)
    return row


def end_class_type(class_type: ClassType, *, actor: Actor) -> None:
    """Ends a class type and its enrolments; the classes that were given keep both. Idempotent.

    Raises:
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    with studio_scope(class_type.studio_id):
        access.require(actor, MANAGE_DANCERS, class_type)
        now = timezone.now()
        if not ClassType.objects.filter(pk=class_type.pk, ended_at=None).update(ended_at=now):
            return
        running = Enrolment.objects.filter(class_type=class_type, starts_at__lte=now)
        running.filter(Q(ends_at=None) | Q(ends_at__gt=now)).update(ends_at=now)
        Enrolment.objects.filter(class_type=class_type, starts_at__gt=now).delete()
        record_for(CLASS_TYPE_ENDED, class_type, actor=actor)


def enrol(class_type: ClassType, dancer_ids: Collection[UUID], *, starts_on: date, actor: Actor) -> int:
    """Enrols dancers from a day of the studio's calendar on, and returns how many were not enrolled already.

    Raises:
        BadRequest: too many dancers, one that is not of this studio, or a day that is years away.
        Conflict: the class type has ended.
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    wanted = set(dancer_ids)
    with studio_scope(class_type.studio_id):
        access.require(actor, MANAGE_DANCERS, class_type)
        require_rate(ENROLMENT_STARTED, actor=actor)
        if not ClassType.objects.select_for_update().filter(pk=class_type.pk, ended_at=None).exists():
            raise Conflict("This class type has ended.")
        if not wanted or Dancer.objects.filter(pk__in=wanted).count() != len(wanted):
            raise BadRequest("dancers: choose dancers of this studio.")
        starts_at = _start_of(class_type.studio_id, starts_on)
        there = Enrolment.objects.filter(class_type=class_type, ends_at=None)
        known = set(there.values_list("dancer_id", flat=True))
        if len(known | wanted) > MOST_ENROLLED:
            raise BadRequest(f"A class type has at most {MOST_ENROLLED} dancers.")
        added = sorted(wanted - known)
        Enrolment.objects.bulk_create(
            Enrolment(
                studio_id=class_type.studio_id,
                class_type=class_type,
                dancer_id=dancer_id,
                starts_at=starts_at,
            )
            for dancer_id in added
        )
        if added:
            details = {"dancers": [str(dancer_id) for dancer_id in added], "from": starts_on.isoformat()}
            record_for(ENROLMENT_STARTED, class_type, actor=actor, details=details)
    return len(added)


def end_enrolment(enrolment: Enrolment, *, last_day: date, actor: Actor) -> None:
    """Ends an enrolment with a day of the studio's calendar; one that has not begun by then is removed.

    Raises:
        BadRequest: a day that is years away.
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    with studio_scope(enrolment.studio_id):
        access.require(actor, MANAGE_DANCERS, enrolment)
        ends_at = _start_of(enrolment.studio_id, last_day + timedelta(days=1))
        rows = Enrolment.objects.filter(pk=enrolment.pk)
        if not rows.filter(starts_at__lt=ends_at).update(ends_at=ends_at):
            rows.delete()
        details = {"dancer": str(enrolment.dancer_id), "last_day": last_day.isoformat()}
        record_for(ENROLMENT_ENDED, enrolment.class_type, actor=actor, details=details)


def set_class_type(
    class_session: ClassSession, class_type: ClassType | None, *, actor: Actor
) -> ClassSession:
    """Says which class type a class is one of; None: of none. Its enrolled dancers then count as present.

    Raises:
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    with studio_scope(class_session.studio_id):
        access.require(actor, MANAGE_DANCERS, class_session)
        row = lock_class(class_session.id)
        row.class_type = class_type
        row.save(update_fields=["class_type"])
        details = {"class_type": None if class_type is None else str(class_type.pk)}
        record_for(CLASS_TYPE_SET, row, actor=actor, details=details)
    return row


def _start_of(studio_id: UUID, day: date) -> datetime:
    zone = ZoneInfo(Studio.objects.values_list("time_zone", flat=True).get(pk=studio_id))
    if abs(day - timezone.localdate(timezone=zone)) > FARTHEST:
        raise BadRequest("Choose a day within ten years.")
    return datetime.combine(day, time(), zone).astimezone(UTC)
