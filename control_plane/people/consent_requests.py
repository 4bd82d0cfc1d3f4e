"""Asking for consent: one request per dancer and person who answers, its mails, and the answer by the link in them.

A link is signed and works for one request until it expires; opening it changes nothing. The token can be computed again
from the request, so that a job can send and repeat the mail, and the database holds only its SHA-256.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.core.signing import Signer as TokenSigner
from django.db.models import Q
from django.utils import timezone

from control_plane.access import access
from control_plane.accounts.models import User
from control_plane.accounts.services import token_hash
from control_plane.audit.services import record_for
from control_plane.common import mail
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.common.scoping import capability_scope, studio_scope
from control_plane.people.audit_events import CONSENT_ASKED, CONSENT_REMINDED
from control_plane.people.consent_models import (
    ConsentAnswer,
    ConsentMethod,
    ConsentNotice,
    ConsentPurpose,
    ConsentRecord,
    ConsentRequest,
)
from control_plane.people.consent_services import answer_for, studio_zone
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.people.permissions import MANAGE_CONSENTS
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import members

LIFETIME = timedelta(days=14)
REMIND_EVERY = timedelta(days=4)
MOST_REMINDERS = 2
MOST_DANCERS = 500
PATH = "/consent/"
JOB = Actor.system("people.consent_requests")


@dataclass(slots=True)
class Asked:
    """The result of asking: how many people were asked, and the dancers for whom nobody can answer."""

    people: int = 0
    unreachable: list[UUID] = field(default_factory=list)


def ask(
    notice: ConsentNotice,
    dancer_ids: Collection[UUID],
    purposes: Collection[ConsentPurpose],
    *,
    actor: Actor,
) -> Asked:
    """Asks the guardians of minors, and adult dancers themselves. A new request replaces an open one to the same person.

    Raises:
        BadRequest: no dancer or purpose, too many dancers, or a purpose that is not in the notice.
        Conflict: the notice is a draft.
        NotFound, Forbidden: a dancer is not of this studio, or `actor` may not manage consents.
        TooManyRequests: too many were asked within an hour.
    """
    wanted, chosen = set(dancer_ids), sorted(set(purposes))
    with studio_scope(notice.studio_id):
        access.require(actor, MANAGE_CONSENTS, notice)
        if not wanted or len(wanted) > MOST_DANCERS:
            raise BadRequest(f"dancers: choose between 1 and {MOST_DANCERS} dancers.")
        if not chosen or not set(chosen) <= set(notice.purposes):
            raise BadRequest("purposes: choose purposes that are in the notice.")
        if notice.published_at is None:
            raise Conflict("Publish the notice first.")
        dancers = list(Dancer.objects.filter(pk__in=wanted).order_by("pk").select_for_update())
        if len(dancers) != len(wanted):
            raise NotFound
        require_rate(CONSENT_ASKED, actor=actor, adding=len(dancers))
        asked = Asked()
        for dancer in dancers:
            people = _who_answers(dancer)
            if not people:
                asked.unreachable.append(dancer.pk)
                continue
            for user in people:
                _open(dancer, user, notice, chosen, actor)
            asked.people += len(people)
            details = {"purposes": chosen, "people": len(people), "notice": str(notice.pk)}
            record_for(CONSENT_ASKED, dancer, actor=actor, details=details)
        return asked


def request_of(token: str) -> ConsentRequest | None:
    """Returns the request that a link leads to, if it can still be answered; None: unknown, expired or revoked."""
    sha256 = token_hash(token)
    with capability_scope("consent_hash", sha256.hex()):
        found: ConsentRequest | None = ConsentRequest.reachable.filter(token_sha256=sha256).first()
    return found if found is not None and _can_be_answered(found) else None


def answer_by_link(token: str, granted: Collection[str], *, signed_by: str) -> ConsentRequest:
    """Records the answer of the person with the link: what is in `granted` is given, the rest of what was asked is not.

    An answer can be changed by the same link until it expires, so that withdrawing is as easy as giving.

    Raises:
        BadRequest: no name.
        NotFound: the link is unknown, expired or revoked, or its person no longer answers for the dancer.
        Forbidden: the dancer has come of age since.
    """
    found = request_of(token)
    if found is None:
        raise NotFound
    if not signed_by.strip():
        raise BadRequest("Enter your name.")
    with studio_scope(found.studio_id):
        return _answer(found, granted, ConsentMethod.EMAIL, signed_by)


def answer_in_portal(request: ConsentRequest, granted: Collection[str], *, user: User) -> ConsentRequest:
    """Records the answer of a signed-in person to a request that was made to them.

    Raises:
        NotFound: the request was made to somebody else, has expired, or was revoked.
        Forbidden: the dancer has come of age since.
    """
    if request.user_id != user.pk:
        raise NotFound
    with studio_scope(request.studio_id):
        return _answer(request, granted, ConsentMethod.PORTAL, str(user))


def link_of(request: ConsentRequest) -> str:
    """Returns the link of a request, for its mail alone."""
    return f"{settings.PUBLIC_URL}{PATH}?{urlencode({'token': _token(request)})}"


def due_mails(*, most: int) -> list[UUID]:
    """Returns open requests of the studio in scope whose first mail or next reminder is due, oldest first."""
    rows = ConsentRequest.objects.filter(_is_due()).order_by("created_at")
    return list(rows.values_list("pk", flat=True)[:most])


def send_mail_of(request_id: UUID) -> bool:
    """Sends the first mail or a reminder of a request in scope, and returns whether it did; parallel calls send one.

    Raises:
        Unavailable: the mail server did not take it; nothing was changed.
    """
    rows = ConsentRequest.objects.select_for_update(skip_locked=True, of=("self",))
    row: ConsentRequest | None = rows.filter(_is_due(), pk=request_id).first()
    if row is None:
        return False
    now = timezone.now()
    if row.user not in _who_answers(row.dancer):
        # The mail would tell the dancer's name to somebody who has nothing to do with them any more.
        ConsentRequest.objects.filter(pk=row.pk).update(revoked_at=now)
        return False
    studio = Studio.objects.get(pk=row.studio_id)
    if row.sent_at is None:
        row.sent_at = now
    else:
        row.reminders, row.reminded_at = row.reminders + 1, now
        details = {"reminders": row.reminders, "request": str(row.pk)}
        record_for(CONSENT_REMINDED, row.dancer, actor=JOB, details=details)
    row.save(update_fields=["sent_at", "reminders", "reminded_at"])
    mail.send(
        "people/mail/consent_request",
        {"request": row, "studio": studio, "link": link_of(row), "is_reminder": row.reminders > 0},
        to=[row.user.email],
        time_zone=studio.time_zone,
    )
    return True


def _is_due() -> Q:
    now = timezone.now()
    again = Q(sent_at__lte=now - REMIND_EVERY, reminders__lt=MOST_REMINDERS) & (
        Q(reminded_at=None) | Q(reminded_at__lte=now - REMIND_EVERY)
    )
    return Q(Q(sent_at=None) | again, answered_at=None, revoked_at=None, expires_at__gt=now)


def _answer(
    request: ConsentRequest, granted: Collection[str], method: ConsentMethod, signed_by: str
) -> ConsentRequest:
    row: ConsentRequest = ConsentRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    if not _can_be_answered(row):
        raise NotFound
    asked = [ConsentPurpose(purpose) for purpose in row.purposes]
    if not set(granted) <= set(asked):
        raise BadRequest("This was not asked. Reload the page.")
    given_before = {purpose for purpose in asked if _is_granted(row.dancer_id, purpose)}
    answers = {
        purpose: ConsentAnswer.GRANTED
        if purpose in granted
        else ConsentAnswer.WITHDRAWN
        if purpose in given_before
        else ConsentAnswer.REFUSED
        for purpose in asked
    }
    answer_for(row.dancer, answers, user=row.user, notice=row.notice, signed_by=signed_by, method=method)
    row.answered_at = timezone.now()
    row.save(update_fields=["answered_at"])
    return row


def _is_granted(dancer_id: UUID, purpose: ConsentPurpose) -> bool:
    latest = ConsentRecord.objects.filter(dancer_id=dancer_id, purpose=purpose).first()
    return latest is not None and latest.answer == ConsentAnswer.GRANTED


def _can_be_answered(request: ConsentRequest) -> bool:
    return request.revoked_at is None and request.expires_at > timezone.now()


def _who_answers(dancer: Dancer) -> list[User]:
    """Returns the members who answer for a dancer now: the guardians of a minor, or the adult dancer."""
    now = timezone.now()
    is_minor = dancer.is_minor_on(timezone.localdate(timezone=studio_zone(dancer.studio_id)))
    ties = Guardianship.objects.filter(dancer=dancer, ended_at__isnull=True)
    ties = ties.exclude(relation=Relation.SELF) if is_minor else ties.filter(relation=Relation.SELF)
    here = members(now).values("user_id")
    return list(User.objects.filter(pk__in=ties.values("user_id")).filter(pk__in=here).order_by("pk"))


def _open(
    dancer: Dancer, user: User, notice: ConsentNotice, purposes: list[ConsentPurpose], actor: Actor
) -> None:
    now = timezone.now()
    earlier = ConsentRequest.objects.filter(dancer=dancer, user=user, answered_at=None, revoked_at=None)
    earlier.update(revoked_at=now)
    row = ConsentRequest(
        studio_id=dancer.studio_id,
        dancer=dancer,
        notice=notice,
        user=user,
        purposes=purposes,
        asked_by=actor.id,
        expires_at=now + LIFETIME,
    )
    row.token_sha256 = token_hash(_token(row))
    row.save(force_insert=True)


def _token(request: ConsentRequest) -> str:
    return TokenSigner(salt="people.consent_requests").sign(request.pk.hex)
