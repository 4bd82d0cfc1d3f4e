"""Reads of consent. The latest record of a dancer and a purpose decides; without one, nothing is allowed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import DateField, DateTimeField, Exists, F, Func, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Cast

from control_plane.people.consent_models import (
    ConsentAnswer,
    ConsentPurpose,
    ConsentRecord,
    ConsentRequest,
    Signer,
)
from control_plane.people.models import Dancer

AGAINST = (ConsentAnswer.REFUSED, ConsentAnswer.WITHDRAWN)


class MissingReason(StrEnum):
    """Why a consent does not hold."""

    NEVER_ASKED = "never_asked"
    ASKED = "asked"
    """Asked, and not answered yet."""
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class MissingConsent:
    """A dancer without consent to a purpose."""

    dancer_id: UUID
    reason: MissingReason


def missing_consents(
    dancer_ids: Collection[UUID], purpose: ConsentPurpose, now: datetime
) -> list[MissingConsent]:
    """Returns the dancers among `dancer_ids` without consent to `purpose` at `now`, in studio scope; one query.

    A guardian's consent ends on the day on which the dancer comes of age, on the studio's calendar. An id that is no
    dancer of the studio counts as never asked.
    """
    wanted = set(dancer_ids)
    if not wanted:
        return []
    asked = ConsentRequest.objects.filter(dancer_id=OuterRef("pk"), purposes__contains=[purpose])
    rows = with_consent(Dancer.objects.filter(pk__in=wanted), purpose, now, dancer="pk").annotate(
        was_asked=Exists(asked)
    )
    found: dict[UUID, MissingReason | None] = dict.fromkeys(wanted, MissingReason.NEVER_ASKED)
    for dancer_id, answer, holds, was_asked in rows.values_list(
        "pk", "consent_answer", "consent_holds", "was_asked"
    ):
        found[dancer_id] = None if holds else _reason(answer, was_asked)
    return [
        MissingConsent(dancer_id, reason) for dancer_id, reason in sorted(found.items()) if reason is not None
    ]


def consent_states(
    dancer_ids: Collection[UUID], now: datetime
) -> dict[UUID, dict[ConsentPurpose, MissingReason | None]]:
    """Returns the state of each purpose for each dancer, in studio scope; None: consent is given. One query per purpose."""
    found: dict[UUID, dict[ConsentPurpose, MissingReason | None]] = {
        dancer_id: dict.fromkeys(ConsentPurpose) for dancer_id in dancer_ids
    }
    for purpose in ConsentPurpose:
        for missing in missing_consents(dancer_ids, purpose, now):
            found[missing.dancer_id][purpose] = missing.reason
    return found


def protected_dancers(dancer_ids: Collection[UUID]) -> set[UUID]:
    """Returns the protected ones among `dancer_ids`, in studio scope; one query."""
    rows = Dancer.objects.filter(pk__in=set(dancer_ids), protected=True)
    return set(rows.values_list("pk", flat=True))


def with_consent(
    rows: QuerySet[Any], purpose: ConsentPurpose, now: datetime, *, dancer: str
) -> QuerySet[Any]:
    """Annotates rows of a studio with `consent_answer` (null: none) and `consent_holds`, of one dancer each.

    Args:
        dancer: the path from a row to its dancer's key: `pk` of dancers themselves, else such as `dancer_id`.
    """
    latest = ConsentRecord.objects.filter(dancer_id=OuterRef(dancer), purpose=purpose).order_by(
        "-answered_at", "-id"
    )
    to_dancer = "" if dancer == "pk" else f"{dancer.removesuffix('_id')}__"
    is_adult = Q(**{f"{to_dancer}adult_on__lte": _studio_day(now)})
    found: QuerySet[Any] = rows.annotate(
        consent_answer=Subquery(latest.values("answer")[:1]),
        consent_signer=Subquery(latest.values("signer")[:1]),
        consent_holds=Q(consent_answer=ConsentAnswer.GRANTED)
        & (
            is_adult & Q(consent_signer=Signer.SELF)
            | (Q(**{f"{to_dancer}adult_on__isnull": True}) | ~is_adult) & Q(consent_signer=Signer.GUARDIAN)
        ),
    )
    return found


def _studio_day(now: datetime) -> Cast:
    """Returns the day of `now` on the calendar of a row's studio."""
    local = Func(F("studio__time_zone"), Value(now), function="timezone", output_field=DateTimeField())
    return Cast(local, DateField())


def _reason(answer: str | None, was_asked: bool) -> MissingReason:
    match answer:
        case ConsentAnswer.REFUSED:
            return MissingReason.REFUSED
        case ConsentAnswer.WITHDRAWN:
            return MissingReason.WITHDRAWN
    return MissingReason.ASKED if was_asked else MissingReason.NEVER_ASKED
