"""Data of the pages of dancers and rosters."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from unicodedata import normalize
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.common.names import clean_name, name_key
from control_plane.people.models import Dancer, GuardianInvitation, Guardianship
from control_plane.recordings.models import Appearance, ClassSession
from control_plane.recordings.presence import dancers_in


@dataclass(frozen=True, slots=True)
class RosterLine:
    """One dancer to tick. `hint` distinguishes dancers of one name."""

    id: UUID
    name: str
    hint: str
    is_ticked: bool
    protected: bool


def dancers_found(actor: Actor, wanted: str, *, left: bool) -> QuerySet[Dancer]:
    """Returns the current or former dancers that `actor` may see, with their guardians."""
    now = Guardianship.objects.filter(ended_at__isnull=True).select_related("user")
    found = access.visible(actor, Dancer).filter(left_at__isnull=not left)
    if wanted := clean_name(wanted):
        # Names are stored composed; notes, and names that were stored before they were, as they were typed.
        holds = Q()
        for form in (wanted, normalize("NFD", wanted)):
            holds |= Q(name__icontains=form) | Q(note__icontains=form)
        found = found.filter(holds)
    return found.order_by("name", "id").prefetch_related(Prefetch("guardianships", now, to_attr="current"))


def dancer_for(actor: Actor, dancer_id: UUID) -> Dancer:
    """Returns one dancer that `actor` may see.

    Raises:
        NotFound: no such dancer, or the actor may not see it.
    """
    found = access.visible(actor, Dancer).filter(pk=dancer_id).first()
    if found is None:
        raise NotFound
    return found


def invited_guardians(dancer: Dancer) -> list[GuardianInvitation]:
    """Returns those who were invited as guardians of a dancer and are not decided about, without revoked invitations."""
    rows = GuardianInvitation.objects.filter(dancer=dancer, invitation__revoked_at=None)
    return list(rows.select_related("invitation"))


def roster_lines(
    actor: Actor, class_session: ClassSession, *, ticked: Iterable[UUID] | None = None
) -> list[RosterLine]:
    """Returns the dancers to tick for a class: current dancers, and former ones that are on the roster.

    Args:
        ticked: the ticked dancers, in place of the saved ones, or of those who are enrolled if none are saved.
    """
    saved = set(Appearance.objects.filter(class_session=class_session).values_list("dancer_id", flat=True))
    if not saved and class_session.roster_confirmed_at is None:
        # Nobody has written this roster yet: the dancers of the class type are suggested.
        saved = dancers_in(class_session)
    chosen = saved if ticked is None else set(ticked)
    dancers = list(
        access.visible(actor, Dancer)
        .filter(Q(left_at__isnull=True) | Q(pk__in=saved | chosen))
        .order_by("name", "birth_year", "id")
    )
    names = Counter(name_key(dancer.name) for dancer in dancers)
    return [
        RosterLine(
            id=dancer.id,
            name=dancer.name,
            hint=_hint(dancer, names[name_key(dancer.name)] > 1),
            is_ticked=dancer.id in chosen,
            protected=dancer.protected,
        )
        for dancer in dancers
    ]


def classes_of(actor: Actor, dancer: Dancer, *, most: int) -> list[tuple[ClassSession, datetime | None]]:
    """Returns the latest classes of a dancer that `actor` may see, and the confirmation time of each roster."""
    rows = (
        Appearance.objects.filter(
            dancer=dancer, class_session__in=access.visible(actor, ClassSession).values("pk")
        )
        .select_related("class_session__room")
        .order_by("-class_session__requested_at")[:most]
    )
    return [(row.class_session, row.confirmed_at) for row in rows]


def _hint(dancer: Dancer, shared_name: bool) -> str:
    parts = []
    if shared_name:
        parts.append(f"born {dancer.birth_year}" if dancer.birth_year else "year of birth unknown")
    if dancer.left_at:
        parts.append("has left")
    return ", ".join(parts)
