"""Data of the pages of consents."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from control_plane.access import access
from control_plane.accounts.models import User
from control_plane.common.actors import Actor
from control_plane.people.consent_models import ConsentNotice, ConsentPurpose, ConsentRecord, ConsentRequest
from control_plane.people.consent_selectors import MissingReason, consent_states, with_consent
from control_plane.people.models import Dancer, Guardianship, Relation

STATE_LABELS: dict[MissingReason | None, str | Promise] = {
    None: _("Given"),
    MissingReason.NEVER_ASKED: _("Not asked"),
    MissingReason.ASKED: _("Asked, no answer yet"),
    MissingReason.REFUSED: _("Refused"),
    MissingReason.WITHDRAWN: _("Withdrawn"),
}
STATE_TAGS = {None: "tag--good", MissingReason.REFUSED: "tag--warn", MissingReason.WITHDRAWN: "tag--warn"}
MEANINGS: dict[ConsentPurpose, str | Promise] = {
    ConsentPurpose.RECORD: _("The cameras of the room record classes in which the dancer takes part."),
    ConsentPurpose.REPLAY: _("Families and members of the studio watch these recordings after signing in."),
    ConsentPurpose.SHARE: _("The studio gives single people a link to a recording. They need no account."),
    ConsentPurpose.LIVE: _("Families and members of the studio watch while the class takes place."),
    ConsentPurpose.EXPORT: _("The studio stores a recording as a file, outside of 3Dance."),
    ConsentPurpose.POSE: _("A computer measures how the dancer moves, from the recording."),
    ConsentPurpose.THIRD_PARTY: _("Another company gets a recording, for example for a performance."),
}


@dataclass(frozen=True, slots=True)
class State:
    """One dancer's consent to one purpose, as shown. `meaning` says what the purpose is, in plain words."""

    purpose: ConsentPurpose
    reason: MissingReason | None
    label: str | Promise
    tag: str
    meaning: str | Promise

    @property
    def is_given(self) -> bool:
        """Whether the consent holds."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class DancerStates:
    """One line of the table: a dancer, with a state for each purpose."""

    dancer: Dancer
    states: list[State]


@dataclass(frozen=True, slots=True)
class Question:
    """A request for consent, as its reader sees it."""

    request: ConsentRequest
    dancer: Dancer
    notice: ConsentNotice
    studio_name: str
    states: list[State]


@dataclass(frozen=True, slots=True)
class Child:
    """A dancer for whom the reader answers. `answers_now` is false for a guardian once the dancer is of age."""

    dancer: Dancer
    states: list[State]
    questions: list[Question]
    answers_now: bool


def dancers_listed(actor: Actor, missing: ConsentPurpose | None, wanted: str) -> QuerySet[Dancer]:
    """Returns the current dancers that `actor` may see, or those among them without consent to `missing`."""
    found = access.visible(actor, Dancer).filter(left_at__isnull=True)
    if wanted:
        found = found.filter(name__icontains=wanted)
    if missing is not None:
        found = with_consent(found, missing, timezone.now(), dancer="pk").filter(
            Q(consent_holds=False) | Q(consent_holds__isnull=True)
        )
    return found.order_by("name", "id")


def lines_of(dancers: Iterable[Dancer]) -> list[DancerStates]:
    """Returns the lines of the table; one query per purpose."""
    listed = list(dancers)
    states = consent_states([dancer.pk for dancer in listed], timezone.now())
    return [DancerStates(dancer, _states(states[dancer.pk], tuple(ConsentPurpose))) for dancer in listed]


def history_of(dancer: Dancer, *, most: int) -> list[tuple[ConsentRecord, str]]:
    """Returns the latest answers about a dancer, each with the name of the person who answered."""
    rows = list(ConsentRecord.objects.filter(dancer=dancer).select_related("notice")[:most])
    people = User.objects.in_bulk({row.answered_by for row in rows if row.answered_by})
    return [(row, row.signed_by or str(people.get(row.answered_by, ""))) for row in rows]


def question_of(request: ConsentRequest, studio_name: str) -> Question:
    """Returns a request as its reader sees it, in the scope of its studio."""
    states = consent_states([request.dancer_id], timezone.now())[request.dancer_id]
    asked = tuple(purpose for purpose in ConsentPurpose if purpose in request.purposes)
    return Question(request, request.dancer, request.notice, studio_name, _states(states, asked))


def children_of(user: User, studio_name: str) -> list[Child]:
    """Returns the dancers of the studio in scope for whom a person answers, with what was asked of them."""
    now = timezone.now()
    ties = Guardianship.objects.filter(user=user, ended_at__isnull=True, started_at__lte=now)
    relations: dict[UUID, set[str]] = {}
    dancers: dict[UUID, Dancer] = {}
    for tie in ties.select_related("dancer").order_by("dancer__name"):
        relations.setdefault(tie.dancer_id, set()).add(tie.relation)
        dancers[tie.dancer_id] = tie.dancer
    states = consent_states(list(dancers), now)
    open_requests = _open_requests(user, now)
    found = []
    for dancer in dancers.values():
        own = relations[dancer.pk]
        answers_now = bool(own - {Relation.SELF}) if dancer.is_minor else Relation.SELF in own
        questions = [
            question_of(request, studio_name)
            for request in open_requests
            if answers_now and request.dancer_id == dancer.pk
        ]
        shown = _states(states[dancer.pk], tuple(ConsentPurpose))
        found.append(Child(dancer, shown, questions, answers_now))
    return found


def _open_requests(user: User, now: datetime) -> list[ConsentRequest]:
    rows = ConsentRequest.objects.filter(user=user, answered_at=None, revoked_at=None, expires_at__gt=now)
    return list(rows.select_related("dancer", "notice"))


def _states(
    reasons: dict[ConsentPurpose, MissingReason | None], purposes: tuple[ConsentPurpose, ...]
) -> list[State]:
    return [
        State(
            purpose,
            reasons[purpose],
            STATE_LABELS[reasons[purpose]],
            STATE_TAGS.get(reasons[purpose], "tag--plain"),
            MEANINGS[purpose],
        )
        for purpose in purposes
    ]
