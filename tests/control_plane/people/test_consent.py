"""Consent: the latest answer decides, records never change, and coming of age ends what a guardian allowed."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from control_plane.administration import services as administration
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.people import consent_services, services
from control_plane.people.consent_models import ConsentNotice, ConsentPurpose, ConsentRecord
from control_plane.people.consent_selectors import (
    MissingConsent,
    MissingReason,
    missing_consents,
    protected_dancers,
)
from control_plane.people.dancer_list import NewDancer
from control_plane.people.events import ConsentChanged
from control_plane.people.models import Dancer, Relation, first_day_of_age
from shared.protocol.ids import new_id
from tests.control_plane.access.grants import last
from tests.control_plane.conftest import Cast
from tests.control_plane.people.consents import (
    GRANTED,
    REFUSED,
    WITHDRAWN,
    day,
    notice_of,
    on_paper,
    says,
)

REPLAY, SHARE = ConsentPurpose.REPLAY, ConsentPurpose.SHARE


def reason(cast: Cast, dancer: Dancer, purpose: ConsentPurpose = REPLAY, at: datetime | None = None) -> Any:
    """Returns why a consent is missing; None: it is there."""
    with studio_scope(cast.studio.id):
        found = missing_consents([dancer.pk], purpose, at or timezone.now())
    return found[0].reason if found else None


def test_nothing_is_allowed_until_somebody_answers(cast: Cast, family: Dancer) -> None:
    assert reason(cast, family) is MissingReason.NEVER_ASKED


def test_the_latest_answer_decides_for_each_purpose_alone(cast: Cast, family: Dancer) -> None:
    says(cast, family, REPLAY, GRANTED)
    assert reason(cast, family) is None
    assert reason(cast, family, SHARE) is MissingReason.NEVER_ASKED
    says(cast, family, REPLAY, REFUSED)
    assert reason(cast, family) is MissingReason.REFUSED
    says(cast, family, REPLAY, GRANTED)
    consent_services.withdraw(family, REPLAY, user=cast.gita)
    assert reason(cast, family) is MissingReason.WITHDRAWN
    assert last(cast).action == "consent.withdrawn"


def test_an_older_paper_overrides_no_later_answer_but_a_refusal_counts_at_once(
    cast: Cast, family: Dancer
) -> None:
    says(cast, family, REPLAY, WITHDRAWN)
    on_paper(cast, family, REPLAY, GRANTED, days_ago=3)
    assert reason(cast, family) is MissingReason.WITHDRAWN
    says(cast, family, REPLAY, GRANTED)
    on_paper(cast, family, REPLAY, REFUSED, days_ago=3)
    assert reason(cast, family) is MissingReason.REFUSED


def test_an_unknown_dancer_has_allowed_nothing(cast: Cast, other: Cast, family: Dancer) -> None:
    stranger = new_id()
    with studio_scope(other.studio.id):
        found = missing_consents([stranger, family.pk], REPLAY, timezone.now())
    assert found == [MissingConsent(one, MissingReason.NEVER_ASKED) for one in sorted([stranger, family.pk])]


def test_many_dancers_take_one_query(
    cast: Cast, family: Dancer, django_assert_num_queries: Callable[[int], Any]
) -> None:
    ids = [services.add_dancer(cast.studio, NewDancer(f"D{n}"), actor=cast.alice.actor).pk for n in range(5)]
    says(cast, family, REPLAY, GRANTED)
    with studio_scope(cast.studio.id), django_assert_num_queries(1):
        assert len(missing_consents([*ids, family.pk], REPLAY, timezone.now())) == 5
    with studio_scope(cast.studio.id), django_assert_num_queries(0):
        assert missing_consents([], REPLAY, timezone.now()) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE people_consentrecord SET answer = 'granted'", "DELETE FROM people_consentrecord"]
)
def test_the_database_keeps_records_as_they_were(cast: Cast, family: Dancer, statement: str) -> None:
    says(cast, family, REPLAY, REFUSED)
    with studio_scope(cast.studio.id), connection.cursor() as cursor:
        with pytest.raises(DatabaseError), transaction.atomic():
            cursor.execute(statement)
        assert ConsentRecord.objects.get().answer == REFUSED


def test_records_go_only_with_the_erasure_of_their_dancer(cast: Cast, family: Dancer) -> None:
    second = services.add_dancer(cast.studio, NewDancer("Bela"), actor=cast.alice.actor)
    says(cast, family, REPLAY, GRANTED)
    with studio_scope(cast.studio.id), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('threedance.erasing', %s, true)", [str(second.pk)])
        with pytest.raises(DatabaseError), transaction.atomic():
            ConsentRecord.objects.all()._raw_delete("default")
        cursor.execute("SELECT set_config('threedance.erasing', %s, true)", [str(family.pk)])
        ConsentRecord.objects.all()._raw_delete("default")
        assert not ConsentRecord.objects.exists()


def test_a_published_notice_never_changes(cast: Cast) -> None:
    notice = notice_of(cast)
    with studio_scope(cast.studio.id):
        for change in (
            lambda: ConsentNotice.objects.filter(pk=notice.pk).update(text="Something else."),
            lambda: ConsentNotice.objects.filter(pk=notice.pk).delete(),
        ):
            with pytest.raises(DatabaseError), transaction.atomic():
                change()


def test_only_a_guardian_answers_for_a_minor(cast: Cast, family: Dancer) -> None:
    notice = notice_of(cast)
    for who in (cast.sam, cast.ivan, cast.alice):
        with pytest.raises(NotFound):
            consent_services.answer_for(family, {REPLAY: GRANTED}, user=who, notice=notice)
    with studio_scope(cast.studio.id):
        tie = family.guardianships.get()
    services.end_guardianship(tie, actor=cast.alice.actor)
    with pytest.raises(NotFound):
        consent_services.answer_for(family, {REPLAY: GRANTED}, user=cast.gita, notice=notice)


def test_a_guardian_of_another_child_does_not_answer(cast: Cast, family: Dancer) -> None:
    second = services.add_dancer(cast.studio, NewDancer("Bela"), actor=cast.alice.actor)
    services.start_guardianship(second, cast.vera, Relation.PARENT, actor=cast.alice.actor)
    with pytest.raises(NotFound):
        consent_services.answer_for(family, {REPLAY: GRANTED}, user=cast.vera, notice=notice_of(cast))
    says(cast, family, REPLAY, GRANTED)
    with pytest.raises(NotFound):
        consent_services.withdraw(family, REPLAY, user=cast.vera)


def test_a_guardian_answers_only_about_what_the_notice_says(cast: Cast, family: Dancer) -> None:
    notice = notice_of(cast, REPLAY)
    with pytest.raises(BadRequest):
        consent_services.answer_for(family, {SHARE: GRANTED}, user=cast.gita, notice=notice)
    with pytest.raises(BadRequest):
        consent_services.answer_for(family, {}, user=cast.gita, notice=notice)


def test_paper_is_entered_by_those_who_manage_consents(cast: Cast, family: Dancer) -> None:
    for who, error in ((cast.ivan, Forbidden), (cast.gita, NotFound), (cast.sam, NotFound)):
        with pytest.raises(error):
            consent_services.record_paper(
                family, {REPLAY: GRANTED}, signed_by="Gita", signed_on=day(0), actor=who.actor
            )
    for name, when in (("", day(0)), ("Gita", day(1)), ("Gita", date(1989, 1, 1))):
        with pytest.raises(BadRequest):
            consent_services.record_paper(
                family, {REPLAY: GRANTED}, signed_by=name, signed_on=when, actor=cast.alice.actor
            )
    assert on_paper(cast, family, REPLAY, GRANTED).recorded_by == cast.alice.id


def test_a_dancer_who_comes_of_age_takes_over(cast: Cast, family: Dancer) -> None:
    born = day(0).replace(year=day(0).year - 18) + timedelta(days=3)
    services.change_dancer(family, actor=cast.alice.actor, birth_date=born)
    says(cast, family, REPLAY, GRANTED)
    assert reason(cast, family) is None
    assert reason(cast, family, at=timezone.now() + timedelta(days=4)) is MissingReason.NEVER_ASKED
    services.change_dancer(family, actor=cast.alice.actor, birth_date=born - timedelta(days=4))
    with pytest.raises(Forbidden):
        says(cast, family, REPLAY, GRANTED)
    services.start_guardianship(family, cast.vera, Relation.SELF, actor=cast.alice.actor)
    consent_services.answer_for(family, {REPLAY: GRANTED}, user=cast.vera, notice=notice_of(cast))
    assert reason(cast, family) is None


def test_a_minor_does_not_answer_alone(cast: Cast, family: Dancer) -> None:
    services.start_guardianship(family, cast.vera, Relation.SELF, actor=cast.alice.actor)
    with pytest.raises(Forbidden):
        consent_services.answer_for(family, {REPLAY: GRANTED}, user=cast.vera, notice=notice_of(cast))


def test_age_is_that_of_the_studios_calendar(cast: Cast, family: Dancer) -> None:
    administration.change_studio(cast.studio, actor=cast.alice.actor, time_zone="Pacific/Kiritimati")
    services.change_dancer(family, actor=cast.alice.actor, birth_date=date(2012, 5, 2))
    says(cast, family, REPLAY, GRANTED)
    # 10:00 in London on the day before is midnight on the Line Islands.
    assert reason(cast, family, at=datetime(2030, 5, 1, 9, 59, tzinfo=UTC)) is None
    assert reason(cast, family, at=datetime(2030, 5, 1, 10, 0, tzinfo=UTC)) is MissingReason.NEVER_ASKED


@pytest.mark.parametrize(
    ("born", "year", "adult_on"),
    [
        (date(2010, 7, 1), 2010, date(2028, 7, 1)),
        (date(2008, 2, 29), 2008, date(2026, 2, 28)),
        (None, 2008, date(2027, 1, 1)),
        (None, None, None),
    ],
)
def test_python_and_the_database_agree_on_the_first_day_of_age(
    cast: Cast, born: date | None, year: int | None, adult_on: date | None
) -> None:
    assert first_day_of_age(born, year) == adult_on
    with studio_scope(cast.studio.id):
        row = Dancer.objects.create(studio=cast.studio, name="D", birth_date=born, birth_year=year)
        assert Dancer.objects.get(pk=row.pk).adult_on == adult_on


def test_protected_dancers_are_named_by_id_alone(cast: Cast, family: Dancer) -> None:
    services.change_dancer(family, actor=cast.alice.actor, protected=True)
    second = services.add_dancer(cast.studio, NewDancer("Bela"), actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert protected_dancers([family.pk, second.pk]) == {family.pk}


def test_each_answer_is_published(cast: Cast, family: Dancer, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[ConsentChanged] = []
    monkeypatch.setattr(ConsentChanged, "_handlers", [heard.append])
    says(cast, family, REPLAY, GRANTED)
    consent_services.withdraw(family, REPLAY, user=cast.gita)
    assert heard == [ConsentChanged(family.pk, REPLAY)] * 2


def test_another_studio_sees_no_consent(cast: Cast, other: Cast, family: Dancer) -> None:
    says(cast, family, REPLAY, GRANTED)
    with studio_scope(other.studio.id):
        assert not ConsentRecord.objects.exists()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM people_consentrecord")
            assert cursor.fetchone() == (0,)
