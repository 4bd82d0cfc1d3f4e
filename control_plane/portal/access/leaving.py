"""The part of a class's access page about people who are no members: its active links, and the consents that are missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.common.actors import Actor
from control_plane.people.audit_events import CONSENTS_LISTED
from control_plane.people.consent_models import ConsentPurpose
from control_plane.people.consent_selectors import MissingConsent, missing_consents
from control_plane.people.models import Dancer
from control_plane.portal.consents.presenter import STATE_LABELS
from control_plane.portal.shares.presenter import LinkRow, link_rows
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import SHARE
from control_plane.recordings.presence import dancers_in, roster_is_confirmed
from control_plane.sharing.audit_events import SHARE_LINKS_LISTED
from control_plane.sharing.egress import may_know
from control_plane.sharing.models import ShareLink
from control_plane.sharing.selectors import active

MOST_LINKS = 50


@dataclass(frozen=True, slots=True)
class MissingAnswer:
    """A dancer and why their consent does not hold."""

    dancer: Dancer
    reason: str | Promise


@dataclass(frozen=True, slots=True)
class PurposeState:
    """The consents of a class to one purpose.

    Attributes:
        effect: what a missing consent stops.
        missing: how many are missing.
        named: whose, for people who may see dancers; empty for others.
    """

    purpose: ConsentPurpose
    effect: str
    missing: int
    named: list[MissingAnswer]


@dataclass(frozen=True, slots=True)
class Leaving:
    """Links and consents of a class.

    Attributes:
        count: how many links can be opened now.
        links: the first of them, for people who may share the class; empty for others.
        dancers: how many are enrolled or on the roster.
        roster_confirmed: whether somebody has confirmed who was there.
        names_shown: whether the reader may see dancers.
        consents: to replay and to sharing.
    """

    count: int
    links: list[LinkRow]
    dancers: int
    roster_confirmed: bool
    names_shown: bool
    consents: list[PurposeState]


def leaving_of(actor: Actor, class_session: ClassSession, now: datetime) -> Leaving:
    """Returns the links and consents of a class as far as `actor` may know them, and logs what was named."""
    links = ShareLink.objects.filter(active(now), class_session=class_session)
    rows: list[LinkRow] = []
    if access.can(actor, SHARE, class_session):
        rows = link_rows(links.select_related("class_session")[:MOST_LINKS], now)
    if rows:
        note_read(SHARE_LINKS_LISTED, class_session, actor=actor, rows=len(rows))
    present, knows = dancers_in(class_session), may_know(actor, class_session)
    missing = {purpose: missing_consents(present, purpose, now) for purpose in _effects()}
    named = _names([item for found in missing.values() for item in found]) if knows else {}
    if named:
        note_read(CONSENTS_LISTED, class_session, actor=actor, rows=len(named))
    return Leaving(
        count=links.count(),
        links=rows,
        dancers=len(present),
        roster_confirmed=roster_is_confirmed(class_session),
        names_shown=knows,
        consents=[
            PurposeState(purpose, effect, len(missing[purpose]), _named(missing[purpose], named))
            for purpose, effect in _effects().items()
        ],
    )


def _effects() -> dict[ConsentPurpose, str]:
    return {
        ConsentPurpose.REPLAY: _(
            "A refusal or withdrawal closes the class to all but admins and instructors."
        ),
        ConsentPurpose.SHARE: _("Until everybody has allowed it, no link of this class plays."),
    }


def _names(missing: Iterable[MissingConsent]) -> dict[UUID, Dancer]:
    rows: dict[UUID, Dancer] = Dancer.objects.in_bulk({item.dancer_id for item in missing})
    return rows


def _named(missing: Iterable[MissingConsent], dancers: dict[UUID, Dancer]) -> list[MissingAnswer]:
    found = [
        MissingAnswer(dancers[item.dancer_id], STATE_LABELS[item.reason])
        for item in missing
        if item.dancer_id in dancers
    ]
    return sorted(found, key=lambda answer: (answer.dancer.name, answer.dancer.id))
