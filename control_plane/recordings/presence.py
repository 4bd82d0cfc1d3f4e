"""The dancers in a class: those on its roster, expected or confirmed, and those enrolled for its class type."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import F, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate

from control_plane.recordings.class_type_models import Enrolment
from control_plane.recordings.models import Appearance, ClassSession


def dancers_in(class_session: ClassSession) -> set[UUID]:
    """Returns everyone who is enrolled for a class, or on its roster; one query, in studio scope."""
    listed = Appearance.objects.filter(class_session=class_session).order_by().values_list("dancer_id")
    enrolled = enrolled_in(class_session.pk).order_by().values_list("dancer_id")
    return {dancer_id for (dancer_id,) in listed.union(enrolled)}


def classes_with_minors(class_ids: Collection[UUID] | None = None) -> set[UUID]:
    """Returns the classes in which somebody is listed or enrolled who was a minor then, or may have been.

    Who has grown up since is still a child in the footage. Two queries, in studio scope.

    Args:
        class_ids: the classes to look at; None: all.
    """
    listed, enrolled = (
        _with_minors("class_session", class_ids),
        _with_minors("class_type__classes", class_ids),
    )
    in_force = _in_force_at(F("class_type__classes__requested_at"))
    rows = Appearance.objects.filter(listed).order_by().values_list("class_session")
    # One call: all conditions are about one and the same joined class.
    others = Enrolment.objects.filter(enrolled, in_force).order_by().values_list("class_type__classes")
    return {class_id for (class_id,) in [*rows.distinct(), *others.distinct()]}


def _with_minors(path: str, class_ids: Collection[UUID] | None) -> Q:
    # The day of coming of age counts, because the day of the class here is that of UTC.
    minor = Q(dancer__adult_on=None) | Q(dancer__adult_on__gte=TruncDate(f"{path}__requested_at"))
    return minor if class_ids is None else minor & Q(**{f"{path}__in": list(class_ids)})


def roster_is_confirmed(class_session: ClassSession) -> bool:
    """Returns whether somebody has confirmed who was in a class; one query, because the given row may be old."""
    rows = ClassSession.objects.filter(pk=class_session.pk, roster_confirmed_at__isnull=False)
    return rows.exists()


def enrolled_in(class_id: UUID | OuterRef) -> QuerySet[Enrolment]:
    """Returns the enrolments that were in force when a class was started."""
    started = F("class_type__classes__requested_at")
    # One call: all conditions are about one and the same joined class.
    rows: QuerySet[Enrolment] = Enrolment.objects.filter(
        _in_force_at(started), class_type__classes__pk=class_id
    )
    return rows


def _in_force_at(at: F) -> Q:
    return Q(Q(ends_at__isnull=True) | Q(ends_at__gt=at), starts_at__lte=at)
