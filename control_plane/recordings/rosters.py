"""Writes of rosters, the lists of dancers in classes. A roster is saved and confirmed as a whole."""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict
from control_plane.common.names import name_key
from control_plane.common.scoping import studio_scope
from control_plane.people.dancer_list import InvalidDancerList, LineError, NewDancer
from control_plane.people.events import DataSection, PersonalData
from control_plane.people.models import Dancer
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.recordings.audit_events import ROSTER_CHANGED, ROSTER_CONFIRMED
from control_plane.recordings.class_type_models import Enrolment
from control_plane.recordings.models import Appearance, ClassSession
from control_plane.recordings.services import lock_class

MAX_DANCERS = 500


def save_roster(
    class_session: ClassSession, dancer_ids: Collection[UUID], *, confirm: bool, actor: Actor
) -> ClassSession:
    """Replaces the roster of a class.

    Args:
        confirm: True: exactly these dancers were there; an empty roster can be confirmed too. False: these dancers are
            expected, which gives guardians no access to the class.

    Raises:
        BadRequest: too many dancers, or one is not of this studio.
        Conflict: the class is still running, so it cannot be confirmed.
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    with studio_scope(class_session.studio_id):
        access.require(actor, MANAGE_DANCERS, class_session)
        wanted = set(dancer_ids)
        if len(wanted) > MAX_DANCERS:
            raise BadRequest(f"A roster has at most {MAX_DANCERS} dancers, not {len(wanted)}.")
        if Dancer.objects.filter(pk__in=wanted).count() != len(wanted):
            raise BadRequest("A dancer on this roster is not in this studio. Reload the page.")
        locked = lock_class(class_session.id)
        if confirm and locked.is_running:
            raise Conflict("The class is still running. Confirm its roster when it is over.")
        rows = Appearance.objects.filter(class_session=locked)
        before = set(rows.values_list("dancer_id", flat=True))
        rows.exclude(dancer_id__in=wanted).delete()
        Appearance.objects.bulk_create(
            Appearance(studio_id=locked.studio_id, class_session=locked, dancer_id=dancer_id)
            for dancer_id in sorted(wanted - before)
        )
        confirmed_at = timezone.now() if confirm else None
        confirmed_by = actor.id if confirm else None
        Appearance.objects.filter(class_session=locked).update(
            confirmed_at=confirmed_at, confirmed_by=confirmed_by
        )
        locked.roster_confirmed_at, locked.roster_confirmed_by = confirmed_at, confirmed_by
        locked.save(update_fields=["roster_confirmed_at", "roster_confirmed_by"])
        record_for(
            ROSTER_CONFIRMED if confirm else ROSTER_CHANGED,
            locked,
            actor=actor,
            details={
                "dancers": len(wanted),
                "added": sorted(str(item) for item in wanted - before),
                "removed": sorted(str(item) for item in before - wanted),
            },
        )
    return locked


def classes_of_dancer(question: PersonalData) -> list[DataSection]:
    """Answers which classes show, or may show, a dancer."""
    rows = (
        Appearance.objects.filter(dancer_id=question.dancer_id)
        .select_related("class_session__room")
        .order_by("class_session__requested_at")
    )
    classes = [
        {
            "class": str(row.class_session_id),
            "title": row.class_session.title,
            "room": row.class_session.room.name,
            "started_at": (row.class_session.started_at or row.class_session.requested_at).isoformat(),
            "presence_confirmed_at": row.confirmed_at.isoformat() if row.confirmed_at else None,
            "recording_exists": bool(row.class_session.wrapped_key),
        }
        for row in rows
    ]
    enrolled = Enrolment.objects.filter(dancer_id=question.dancer_id).select_related("class_type")
    enrolments = [
        {
            "class_type": row.class_type.name,
            "from": row.starts_at.isoformat(),
            "until": row.ends_at.isoformat() if row.ends_at else None,
        }
        for row in enrolled
    ]
    return [
        DataSection("classes", _("Classes with the dancer on the roster"), classes),
        DataSection("enrolments", _("Enrolments"), enrolments),
    ]


def dancers_named(listed: Iterable[NewDancer]) -> list[Dancer]:
    """Returns the dancers of the studio in scope that a list names; the year of birth distinguishes equal names.

    Raises:
        InvalidDancerList: a line matches no dancer, or several.
    """
    by_name: dict[str, list[Dancer]] = {}
    for dancer in Dancer.objects.filter(left_at__isnull=True):
        by_name.setdefault(name_key(dancer.name), []).append(dancer)
    found: list[Dancer] = []
    errors: list[LineError] = []
    for item in listed:
        meant = by_name.get(name_key(item.name), [])
        if item.birth_year is not None:
            meant = [dancer for dancer in meant if dancer.birth_year in (None, item.birth_year)]
        if len(meant) == 1:
            found.append(meant[0])
        elif meant:
            text = f"there are {len(meant)} dancers named {item.name}; add a column birth_year"
            errors.append(LineError(item.line, text))
        else:
            text = f"no dancer is named {item.name}; add the dancer first, or correct the name"
            errors.append(LineError(item.line, text))
    if errors:
        raise InvalidDancerList(errors[:20])
    return found
