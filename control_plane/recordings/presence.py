"""The dancers in a class: those on its roster, expected or confirmed, and those enrolled for its class type."""

from uuid import UUID

from django.db.models import F, OuterRef, Q, QuerySet

from control_plane.recordings.class_type_models import Enrolment
from control_plane.recordings.models import Appearance, ClassSession


def dancers_in(class_session: ClassSession) -> set[UUID]:
    """Returns everyone who is enrolled for a class, or on its roster; one query, in studio scope."""
    listed = Appearance.objects.filter(class_session=class_session).order_by().values_list("dancer_id")
    enrolled = enrolled_in(class_session.pk).order_by().values_list("dancer_id")
    return {dancer_id for (dancer_id,) in listed.union(enrolled)}


def roster_is_confirmed(class_session: ClassSession) -> bool:
    """Returns whether somebody has confirmed who was in a class; one query, because the given row may be old."""
    rows = ClassSession.objects.filter(pk=class_session.pk, roster_confirmed_at__isnull=False)
    return rows.exists()


def enrolled_in(class_id: UUID | OuterRef) -> QuerySet[Enrolment]:
    """Returns the enrolments that were in force when a class was started."""
    started = F("class_type__classes__requested_at")
    # One call: all conditions are about one and the same joined class.
    rows: QuerySet[Enrolment] = Enrolment.objects.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=started),
        class_type__classes__pk=class_id,
        starts_at__lte=started,
    )
    return rows
