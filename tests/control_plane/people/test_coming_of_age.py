"""On the day on which a dancer comes of age, guardians' consents end, and the family is told, once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.people import services
from control_plane.people.consent_models import ConsentPurpose
from control_plane.people.consent_selectors import MissingReason, missing_consents
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.people.tasks import tell_families_of_age
from control_plane.tenancy.models import Membership, Studio
from tests.control_plane.conftest import Cast
from tests.control_plane.people.consents import GRANTED, on_paper

DAY = date(2026, 9, 10)
BORN = date(2008, 9, 10)
BEFORE, AFTER = datetime(2026, 9, 9, 23, 59, tzinfo=UTC), datetime(2026, 9, 10, 0, 1, tzinfo=UTC)


@pytest.fixture
def dancer(cast: Cast) -> Iterator[Dancer]:
    """Ada, who comes of age on `DAY`, with Gita as guardian, who has consented to sharing."""
    with time_machine.travel(datetime(2026, 9, 1, tzinfo=UTC)):
        row = services.add_dancer(
            cast.studio, NewDancer("Ada", BORN.year, birth_date=BORN), actor=cast.alice.actor
        )
        services.start_guardianship(row, cast.gita, Relation.PARENT, actor=cast.alice.actor)
        on_paper(cast, row, ConsentPurpose.SHARE, GRANTED)
        mail.outbox.clear()
        yield row


def told_at(moment: datetime) -> list[str]:
    """Returns who gets a mail when the task runs at a moment."""
    before = len(mail.outbox)
    with time_machine.travel(moment):
        tell_families_of_age()
    return sorted(address for message in mail.outbox[before:] for address in message.recipients())


def missing(cast: Cast, dancer: Dancer, moment: datetime) -> list[MissingReason]:
    with studio_scope(cast.studio.id):
        return [item.reason for item in missing_consents([dancer.id], ConsentPurpose.SHARE, moment)]


def test_the_family_is_told_once_and_the_consent_has_ended(cast: Cast, dancer: Dancer) -> None:
    assert missing(cast, dancer, BEFORE) == []
    assert told_at(BEFORE) == []
    assert missing(cast, dancer, AFTER) == [MissingReason.NEVER_ASKED]
    assert told_at(AFTER) == [cast.gita.email]
    (message,) = mail.outbox
    assert message.subject.endswith("Ada decides about recordings now")
    assert "Ask the studio to invite Ada" in str(message.body)
    assert told_at(AFTER) == []
    with studio_scope(cast.studio.id):
        assert Entry.objects.get(action="dancer.of_age").details["people"] == 1


def test_the_own_account_gets_its_own_words(cast: Cast, dancer: Dancer) -> None:
    services.start_guardianship(dancer, cast.vera, Relation.SELF, actor=cast.alice.actor)
    assert told_at(AFTER) == sorted([cast.gita.email, cast.vera.email])
    own, guardian = (str(message.body) for message in mail.outbox)
    assert "You are of age" in own
    assert "/children/" in own
    assert "You need not do anything" in guardian
    assert all(not message.to for message in mail.outbox), "nobody learns the address of another"


def test_the_day_is_that_of_the_studios_calendar(cast: Cast, dancer: Dancer) -> None:
    with studio_scope(cast.studio.id):
        Studio.objects.update(time_zone="Pacific/Auckland")
    assert told_at(datetime(2026, 9, 9, 11, 59, tzinfo=UTC)) == []
    assert told_at(datetime(2026, 9, 9, 12, 1, tzinfo=UTC)) == [cast.gita.email]


def test_who_is_no_guardian_or_member_any_more_is_not_told(cast: Cast, dancer: Dancer) -> None:
    services.start_guardianship(dancer, cast.pat, Relation.CARER, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        services.end_guardianship(Guardianship.objects.get(user=cast.gita), actor=cast.alice.actor)
        Membership.objects.filter(user=cast.pat).update(ends_at=timezone.now())
    assert told_at(AFTER) == []


def test_nobody_is_told_of_what_is_long_past_or_was_so_from_the_start(cast: Cast, dancer: Dancer) -> None:
    with time_machine.travel(AFTER):
        late = services.add_dancer(
            cast.studio, NewDancer("Bea", 2008, birth_date=date(2008, 9, 9)), actor=cast.alice.actor
        )
        services.start_guardianship(late, cast.pat, Relation.PARENT, actor=cast.alice.actor)
    assert told_at(datetime(2026, 10, 10, 0, 1, tzinfo=UTC)) == []
    assert told_at(AFTER) == [cast.gita.email]


def test_a_dancer_who_has_left_is_not_written_about(cast: Cast, dancer: Dancer) -> None:
    services.set_dancer_left(dancer, True, actor=cast.alice.actor)
    assert told_at(AFTER) == []
