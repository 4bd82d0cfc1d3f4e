"""Writes of dancers and guardianships."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.utils import timezone

from control_plane.access import access
from control_plane.accounts.models import User
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, NotFound
from control_plane.common.names import clean_name, name_key
from control_plane.common.saving import check, save_new
from control_plane.common.scoping import studio_scope
from control_plane.people.audit_events import (
    DANCER_ADDED,
    DANCER_CHANGED,
    GUARDIANSHIP_ENDED,
    GUARDIANSHIP_STARTED,
)
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.locking import lock_studio
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import members

DANCER_FIELDS = frozenset({"name", "birth_date", "birth_year", "protected", "note"})


def add_dancer(studio: Studio, dancer: NewDancer, *, actor: Actor) -> Dancer:
    """Adds a dancer.

    Raises:
        BadRequest: a value breaks a rule.
        NotFound, Forbidden: `actor` may not manage dancers.
        TooManyRequests: too many were added within an hour.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_DANCERS, studio)
        require_rate(DANCER_ADDED, actor=actor)
        return _add(studio, dancer, actor)


def add_dancers(studio: Studio, dancers: Iterable[NewDancer], *, actor: Actor) -> tuple[list[Dancer], int]:
    """Adds new dancers, all or none; returns them, and the number of dancers that exist already.

    A dancer with the same name, ignoring case and spacing, and the same year of birth counts as existing.

    Raises:
        BadRequest: a value breaks a rule; nothing was added.
        NotFound, Forbidden, TooManyRequests: as in `add_dancer`.
    """
    wanted = list(dancers)
    with studio_scope(studio.id):
        access.require(actor, MANAGE_DANCERS, studio)
        require_rate(DANCER_ADDED, actor=actor, adding=len(wanted))
        known = _known()
        added: list[Dancer] = []
        there = 0
        for dancer in wanted:
            key = (name_key(dancer.name), dancer.year)
            if key in known:
                there += 1
                continue
            known.add(key)
            added.append(_add(studio, dancer, actor))
    return added, there


def count_known(dancers: Iterable[NewDancer]) -> int:
    """Returns how many of the dancers `add_dancers` would find in the studio in scope. The caller has checked `access`."""
    known = _known()
    return sum((name_key(dancer.name), dancer.year) in known for dancer in dancers)


def change_dancer(dancer: Dancer, *, actor: Actor, **values: Any) -> Dancer:
    """Changes fields of a dancer. A date of birth sets the year of birth too.

    Raises:
        BadRequest: an unknown field, or a value that breaks a rule.
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    unknown = set(values) - DANCER_FIELDS
    if unknown:
        raise BadRequest(f"{', '.join(sorted(unknown))} cannot be changed")
    with studio_scope(dancer.studio_id):
        access.require(actor, MANAGE_DANCERS, dancer)
        values = _with_year(dancer, values)
        changed = sorted(name for name, value in values.items() if getattr(dancer, name) != value)
        if not changed:
            return dancer
        for name in changed:
            setattr(dancer, name, values[name])
        dancer.name = clean_name(dancer.name)
        _check(dancer)
        dancer.save(update_fields=changed)
        details: dict[str, object] = {"fields": changed}
        if "protected" in changed:
            details["protected"] = dancer.protected
        record_for(DANCER_CHANGED, dancer, actor=actor, details=details)
    return dancer


def set_dancer_left(dancer: Dancer, left: bool, *, actor: Actor) -> Dancer:
    """Marks a dancer as having left, or as active again. Rosters no longer offer one who has left; all else stays.

    Raises:
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    with studio_scope(dancer.studio_id):
        access.require(actor, MANAGE_DANCERS, dancer)
        if left is not (dancer.left_at is not None):
            dancer.left_at = timezone.now() if left else None
            dancer.save(update_fields=["left_at"])
            record_for(DANCER_CHANGED, dancer, actor=actor, details={"fields": ["left_at"], "left": left})
    return dancer


def start_guardianship(dancer: Dancer, user: User, relation: Relation, *, actor: Actor) -> Guardianship:
    """Makes a member answer for a dancer, from now on.

    Raises:
        Conflict: the person answers for this dancer already.
        NotFound: the person is not a member of the studio, or `actor` has no access to it.
        Forbidden: `actor` may not manage dancers.
        TooManyRequests: too many were started within an hour.
    """
    with studio_scope(dancer.studio_id):
        access.require(actor, MANAGE_DANCERS, dancer)
        # Under the studio's lock, as for permissions: either the removal of a member has committed, or it ends this too.
        lock_studio(dancer.studio_id)
        access.require(actor, MANAGE_DANCERS, dancer)
        require_rate(GUARDIANSHIP_STARTED, actor=actor)
        if not members(timezone.now()).filter(user=user).exists():
            raise NotFound("This person is not a member of the studio. Invite them first.")
        guardianship = Guardianship(
            studio_id=dancer.studio_id,
            dancer=dancer,
            user=user,
            relation=relation,
            started_at=timezone.now(),
        )
        save_new(guardianship, "This person answers for this dancer already.")
        record_for(
            GUARDIANSHIP_STARTED,
            dancer,
            actor=actor,
            details={
                "user": str(user.id),
                "relation": Relation(relation).value,
                "guardianship": str(guardianship.id),
            },
        )
    return guardianship


def end_guardianship(guardianship: Guardianship, *, actor: Actor) -> None:
    """Ends a guardianship at once, with all access it gave. Idempotent.

    Raises:
        NotFound, Forbidden: `actor` may not manage dancers.
    """
    with studio_scope(guardianship.studio_id):
        access.require(actor, MANAGE_DANCERS, guardianship)
        _end(guardianship, actor)


def end_guardianships_of(user_id: UUID, *, actor: Actor) -> None:
    """Ends all guardianships of a person in the studio in scope. The caller has checked `access` and ends the membership."""
    for guardianship in Guardianship.objects.filter(user_id=user_id, ended_at__isnull=True):
        _end(guardianship, actor)


def _known() -> set[tuple[str, int | None]]:
    return {(name_key(name), year) for name, year in Dancer.objects.values_list("name", "birth_year")}


def _end(guardianship: Guardianship, actor: Actor) -> None:
    ended = Guardianship.objects.filter(pk=guardianship.pk, ended_at__isnull=True).update(
        ended_at=timezone.now()
    )
    if ended:
        record_for(
            GUARDIANSHIP_ENDED,
            guardianship.dancer,
            actor=actor,
            details={"user": str(guardianship.user_id), "guardianship": str(guardianship.id)},
        )


def _add(studio: Studio, dancer: NewDancer, actor: Actor) -> Dancer:
    row = Dancer(
        studio=studio,
        name=clean_name(dancer.name),
        birth_date=dancer.birth_date,
        birth_year=dancer.year,
        protected=dancer.protected,
        note=dancer.note.strip(),
    )
    _check(row)
    row.save(force_insert=True)
    record_for(DANCER_ADDED, row, actor=actor, details={"protected": row.protected})
    return row


def _with_year(dancer: Dancer, values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values with the year of birth that follows from the date of birth, where there is one."""
    born = values.get("birth_date", dancer.birth_date)
    if born is None:
        return values
    if "birth_date" not in values and values.get("birth_year", born.year) != born.year:
        raise BadRequest("birth_year: change the date of birth instead.")
    return values | {"birth_year": born.year}


def _check(dancer: Dancer) -> None:
    check(dancer)
    if dancer.birth_date and dancer.birth_date > timezone.localdate():
        raise BadRequest(f"birth_date: {dancer.birth_date} is in the future.")
    if dancer.birth_year and dancer.birth_year > timezone.localdate().year:
        raise BadRequest(f"birth_year: {dancer.birth_year} is in the future.")
