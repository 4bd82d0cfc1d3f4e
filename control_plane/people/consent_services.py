"""Writes of consent records. A record is never changed: a new answer is a new record, and the latest one decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from control_plane.access import access
from control_plane.accounts.models import User
from control_plane.audit.events import AuditEvent
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.names import clean_name
from control_plane.common.saving import check
from control_plane.common.scoping import studio_scope
from control_plane.people.audit_events import CONSENT_GIVEN, CONSENT_REFUSED, CONSENT_WITHDRAWN
from control_plane.people.consent_models import (
    ConsentAnswer,
    ConsentMethod,
    ConsentNotice,
    ConsentPurpose,
    ConsentRecord,
    Signer,
)
from control_plane.people.events import ConsentChanged
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.people.permissions import MANAGE_CONSENTS
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio

Answers = Mapping[ConsentPurpose, ConsentAnswer]
EARLIEST_PAPER = date(1990, 1, 1)
_EVENTS: dict[ConsentAnswer, AuditEvent] = {
    ConsentAnswer.GRANTED: CONSENT_GIVEN,
    ConsentAnswer.REFUSED: CONSENT_REFUSED,
    ConsentAnswer.WITHDRAWN: CONSENT_WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """How an answer reached the studio; the fields are those of `ConsentRecord`."""

    method: ConsentMethod
    signer: Signer
    notice: ConsentNotice | None
    signed_by: str = ""
    answered_by: UUID | None = None
    recorded_by: UUID | None = None
    signed_on: date | None = None


def record_paper(
    dancer: Dancer,
    answers: Answers,
    *,
    signed_by: str,
    signed_on: date,
    actor: Actor,
    notice: ConsentNotice | None = None,
) -> list[ConsentRecord]:
    """Enters the answers on a signed paper, and returns the records.

    A consent takes effect as of the day of the signature, so that it overrides no later answer. A refusal takes effect
    now: the studio knows of it from then on, and a wrong refusal is only an inconvenience.

    Args:
        signed_by: the name of the person who signed.
        notice: the published notice on the paper; None: a form of the studio's own.

    Raises:
        BadRequest: no answer, no name, or a day in the future or before 1990.
        NotFound, Forbidden: `actor` may not manage consents.
    """
    with studio_scope(dancer.studio_id):
        access.require(actor, MANAGE_CONSENTS, dancer)
        zone = studio_zone(dancer.studio_id)
        today = timezone.localdate(timezone=zone)
        if not EARLIEST_PAPER <= signed_on <= today:
            raise BadRequest("signed_on: enter the day on the paper; it cannot be in the future.")
        if not clean_name(signed_by):
            raise BadRequest("signed_by: enter the name of the person who signed.")
        evidence = Evidence(
            ConsentMethod.PAPER,
            Signer.GUARDIAN if dancer.is_minor_on(signed_on) else Signer.SELF,
            notice,
            signed_by=clean_name(signed_by),
            recorded_by=actor.id,
            signed_on=signed_on,
        )
        signed_at = datetime.combine(signed_on, time(), zone).astimezone(UTC)
        return write_answers(dancer, answers, evidence, given_at=signed_at, actor=actor)


def answer_for(
    dancer: Dancer,
    answers: Answers,
    *,
    user: User,
    notice: ConsentNotice,
    signed_by: str = "",
    method: ConsentMethod = ConsentMethod.PORTAL,
) -> list[ConsentRecord]:
    """Records the answers of a guardian about a minor, or of an adult dancer about themselves, and returns the records.

    Raises:
        BadRequest: no answer, or one about a purpose that is not in the notice.
        NotFound: the person does not answer for this dancer.
        Forbidden: the dancer is of age and answers themselves, or is still a minor.
    """
    with studio_scope(dancer.studio_id):
        signer = require_signer(dancer, user)
        if (
            notice.studio_id != dancer.studio_id
            or notice.published_at is None
            or not set(answers) <= set(notice.purposes)
        ):
            raise BadRequest("These purposes are not in the notice. Reload the page.")
        evidence = Evidence(method, signer, notice, signed_by=clean_name(signed_by), answered_by=user.id)
        return write_answers(dancer, answers, evidence, given_at=timezone.now(), actor=user.actor)


def withdraw(dancer: Dancer, purpose: ConsentPurpose, *, user: User) -> ConsentRecord:
    """Withdraws a consent that was given, at once, under the notice by which it was given.

    Raises:
        BadRequest: no consent to this purpose was given.
        NotFound, Forbidden: as in `answer_for`.
    """
    with studio_scope(dancer.studio_id):
        signer = require_signer(dancer, user)
        latest = ConsentRecord.objects.filter(dancer=dancer, purpose=purpose).first()
        if latest is None or latest.answer != ConsentAnswer.GRANTED:
            raise BadRequest("No consent to this has been given. Reload the page.")
        evidence = Evidence(ConsentMethod.PORTAL, signer, latest.notice, answered_by=user.id)
        answers = {purpose: ConsentAnswer.WITHDRAWN}
        return write_answers(dancer, answers, evidence, given_at=timezone.now(), actor=user.actor)[0]


def require_signer(dancer: Dancer, user: User) -> Signer:
    """Returns in what capacity a person answers for a dancer now, in studio scope.

    Raises:
        NotFound: they are no guardian of the dancer.
        Forbidden: the dancer is of age and answers themselves, or is still a minor.
    """
    ties = Guardianship.objects.filter(
        dancer_id=dancer.pk, user=user, ended_at__isnull=True, started_at__lte=timezone.now()
    )
    relations = set(ties.values_list("relation", flat=True))
    if not relations or not user.is_active:
        raise NotFound
    fresh: Dancer = Dancer.objects.get(pk=dancer.pk)
    is_minor = fresh.is_minor_on(timezone.localdate(timezone=studio_zone(fresh.studio_id)))
    if is_minor and relations == {Relation.SELF}:
        raise Forbidden(
            "A guardian answers until you are of age. Ask the studio if your date of birth is right."
        )
    if not is_minor and Relation.SELF not in relations:
        raise Forbidden("This dancer is of age and answers for themselves.")
    return Signer.GUARDIAN if is_minor else Signer.SELF


def studio_zone(studio_id: UUID) -> ZoneInfo:
    """Returns the time zone of the studio in scope."""
    return ZoneInfo(Studio.objects.values_list("time_zone", flat=True).get(pk=studio_id))


def write_answers(
    dancer: Dancer, answers: Answers, evidence: Evidence, *, given_at: datetime, actor: Actor
) -> list[ConsentRecord]:
    """Adds one record per answer, with its audit event, and publishes `ConsentChanged`. The caller has checked `access`.

    Args:
        given_at: when consents take effect; anything else takes effect now.

    Raises:
        BadRequest: there is no answer, or a name is too long.
        TooManyRequests: too many answers within an hour.
    """
    if not answers:
        raise BadRequest("Choose an answer for at least one purpose.")
    # A withdrawal is never refused: each takes back one consent, so that the limit of consents limits it too.
    for limited in (ConsentAnswer.GRANTED, ConsentAnswer.REFUSED):
        count = list(answers.values()).count(limited)
        if count:
            require_rate(_EVENTS[limited], actor=actor, adding=count)
    # Answers about one dancer wait for each other, so that the order of `answered_at` is that of the transactions.
    if not Dancer.objects.select_for_update().filter(pk=dancer.pk).exists():
        raise NotFound
    now = timezone.now()
    records = []
    for purpose, answer in sorted(answers.items()):
        row = ConsentRecord(
            studio_id=dancer.studio_id,
            dancer=dancer,
            purpose=purpose,
            answer=answer,
            signer=evidence.signer,
            method=evidence.method,
            notice=evidence.notice,
            answered_at=given_at if answer == ConsentAnswer.GRANTED and evidence.signed_on else now,
            signed_on=evidence.signed_on,
            answered_by=evidence.answered_by,
            signed_by=evidence.signed_by,
            recorded_by=evidence.recorded_by,
        )
        check(row)
        row.save(force_insert=True)
        details = {"purpose": purpose.value, "method": evidence.method.value, "consent": str(row.id)}
        record_for(_EVENTS[answer], dancer, actor=actor, details=details)
        ConsentChanged(dancer_id=dancer.pk, purpose=purpose).publish()
        records.append(row)
    return records
