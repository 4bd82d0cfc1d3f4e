"""Helpers of the tests of consent: a published notice, and answers of a guardian."""

from datetime import date, timedelta

from django.utils import timezone

from control_plane.common.scoping import studio_scope
from control_plane.people import consent_services
from control_plane.people.consent_models import ConsentAnswer, ConsentNotice, ConsentPurpose, ConsentRecord
from control_plane.people.models import Dancer
from tests.control_plane.conftest import Cast

GRANTED, REFUSED, WITHDRAWN = ConsentAnswer.GRANTED, ConsentAnswer.REFUSED, ConsentAnswer.WITHDRAWN


def notice_of(cast: Cast, *purposes: ConsentPurpose) -> ConsentNotice:
    """Returns a published notice for the purposes; without any, for all."""
    with studio_scope(cast.studio.id):
        row: ConsentNotice = ConsentNotice.objects.create(
            studio=cast.studio,
            language="en",
            purposes=sorted(purposes or ConsentPurpose),
            title="Filming",
            text="What we film, and why.",
            version=ConsentNotice.objects.count() + 1,
            published_at=timezone.now(),
            published_by=cast.alice.id,
        )
        return row


def says(cast: Cast, dancer: Dancer, purpose: ConsentPurpose, answer: ConsentAnswer) -> ConsentRecord:
    """Records an answer of Gita, the dancer's guardian."""
    notice = notice_of(cast, purpose)
    return consent_services.answer_for(dancer, {purpose: answer}, user=cast.gita, notice=notice)[0]


def on_paper(
    cast: Cast, dancer: Dancer, purpose: ConsentPurpose, answer: ConsentAnswer, *, days_ago: int = 0
) -> ConsentRecord:
    """Enters an answer that a guardian signed some days ago."""
    return consent_services.record_paper(
        dancer,
        {purpose: answer},
        signed_by="Gita",
        signed_on=day(-days_ago),
        actor=cast.alice.actor,
    )[0]


def day(from_today: int) -> date:
    """Returns a day relative to today in UTC, the zone of the cast's studio."""
    return timezone.now().date() + timedelta(days=from_today)
