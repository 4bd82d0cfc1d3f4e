"""Pages of retention: every change is previewed, a class is kept, a run that asks is confirmed."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from control_plane.administration import services as administration
from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import ClassSession
from control_plane.recordings.timetable import add_class_type, set_class_type
from control_plane.retention.models import (
    RetentionHold,
    RetentionPolicy,
    RetentionRule,
    RetentionRun,
    RunState,
)
from control_plane.retention.runs import start_run
from control_plane.tenancy.models import Room
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.retention.past import decide, past_class

POLICY = {"preset": "uk_eu", "minors_days": "7", "adults_days": ""}


@pytest.fixture
def hall(cast: Cast) -> Room:
    return administration.create_room(cast.studio, name="Hall", actor=cast.alice.actor)


@pytest.fixture
def old(cast: Cast, hall: Room) -> UUID:
    """A class that is past the date of the default policy."""
    return past_class(cast, hall, days_ago=9)


def page_of(cast: Cast) -> str:
    return f"/studio/{cast.studio.slug}/retention/"


def alice_of(cast: Cast) -> Client:
    return as_person(cast.alice)


def test_a_policy_is_previewed_and_then_saved(cast: Cast, old: UUID) -> None:
    alice, page = alice_of(cast), page_of(cast)
    assert "nothing is deleted by date" in alice.get(page).content.decode()
    text = alice.post(f"{page}policy/", POLICY).content.decode()
    assert "1 class would be deleted sooner than now." in text
    assert "9 days ago" in text
    with studio_scope(cast.studio.id):
        assert not RetentionPolicy.objects.exists(), "a preview saves nothing"
    alice.post(f"{page}policy/", POLICY | {"save": "1"})
    with studio_scope(cast.studio.id):
        saved = RetentionPolicy.objects.get()
    assert (saved.minors_days, saved.adults_days, saved.confirmed_by) == (7, None, cast.alice.id)
    assert "In force since" in alice.get(page).content.decode()


@pytest.mark.parametrize("days", ["", "0", "9999", "x"])
def test_recordings_of_minors_always_have_an_end(cast: Cast, days: str) -> None:
    alice, page = alice_of(cast), page_of(cast)
    assert alice.post(f"{page}policy/", POLICY | {"minors_days": days, "save": "1"}).status_code == 422
    refused = alice.post(f"{page}rules/", {"days": "", "save": "1"})
    assert refused.status_code == 422
    assert "cannot be kept without end" in refused.content.decode()
    with studio_scope(cast.studio.id):
        assert not RetentionPolicy.objects.exists()
        assert not RetentionRule.objects.exists()


def test_a_rule_of_a_room_is_previewed_saved_and_removed(cast: Cast, hall: Room, old: UUID) -> None:
    decide(cast)
    alice, page = alice_of(cast), page_of(cast)
    values = {"room": str(hall.id), "days": "3"}
    assert "9 days ago" in alice.post(f"{page}rules/", values).content.decode()
    alice.post(f"{page}rules/", values | {"save": "1"})
    with studio_scope(cast.studio.id):
        rule = RetentionRule.objects.get()
    assert (rule.room_id, rule.days) == (hall.id, 3)
    alice.post(f"{page}rules/{rule.id}/remove/")
    with studio_scope(cast.studio.id):
        assert not RetentionRule.objects.exists()


def test_a_rule_of_a_class_type_changes_the_dates_of_its_classes_alone(
    cast: Cast, hall: Room, old: UUID
) -> None:
    decide(cast)
    weekly = add_class_type(cast.studio, "Ballet 2", actor=cast.alice.actor)
    alice, page = alice_of(cast), page_of(cast)
    values = {"class_type": str(weekly.id), "days": "3"}
    assert "9 days ago" not in alice.post(f"{page}rules/", values).content.decode()
    with studio_scope(cast.studio.id):
        set_class_type(ClassSession.objects.get(pk=old), weekly, actor=cast.alice.actor)
    assert "9 days ago" in alice.post(f"{page}rules/", values).content.decode()
    alice.post(f"{page}rules/", values | {"save": "1"})
    assert "Ballet 2" in alice.get(page).content.decode()
    with studio_scope(cast.studio.id):
        assert RetentionRule.objects.get().class_type_id == weekly.id


def test_a_class_is_kept_until_a_day_and_let_go_again(cast: Cast, old: UUID) -> None:
    decide(cast)
    alice, keep = alice_of(cast), f"/studio/{cast.studio.slug}/classes/{old}/keep/"
    assert "It is deleted in the next run." in alice.get(keep).content.decode()
    until = timezone.localdate() + timedelta(days=30)
    assert alice.post(keep, {"kind": "manual", "reason": "for the show"}).status_code == 422, "no end"
    form = {"kind": "manual", "reason": "for the show", "until": until.isoformat()}
    text = alice.post(keep, form, follow=True).content.decode()
    assert "for the show" in text
    assert "It is kept back from deletion." in text
    with studio_scope(cast.studio.id):
        hold = RetentionHold.objects.get()
    alice.post(f"{page_of(cast)}holds/{hold.id}/lift/")
    assert "It is deleted in the next run." in alice.get(keep).content.decode()


def test_a_run_that_asks_is_confirmed_or_cancelled(cast: Cast, old: UUID) -> None:
    decide(cast)
    alice, page = alice_of(cast), page_of(cast)
    alice.post(f"{page}runs/")
    with studio_scope(cast.studio.id):
        run = RetentionRun.objects.get()
    assert run.state == RunState.WAITING, "all of the studio would go"
    assert "Delete them" in alice.get(page).content.decode()
    alice.post(f"{page}runs/{run.id}/confirm/")
    with studio_scope(cast.studio.id):
        assert RetentionRun.objects.get().state == RunState.RUNNING
    alice.post(f"{page}runs/{run.id}/cancel/")
    with studio_scope(cast.studio.id):
        assert RetentionRun.objects.get().state == RunState.CANCELLED
        assert start_run(cast.studio) is not None


def test_the_calendar_names_what_goes_when(cast: Cast, hall: Room) -> None:
    past_class(cast, hall, days_ago=2, title="Ballet of the little ones")
    text = alice_of(cast).get(page_of(cast)).content.decode()
    assert "Ballet of the little ones" in text
    assert "These are the dates if you confirm the policy" in text


def test_nobody_but_an_admin_sees_or_changes_it(cast: Cast, other: Cast, old: UUID) -> None:
    page = page_of(cast)
    for person, status in ((cast.ivan, 403), (cast.gita, 403), (other.alice, 404)):
        browser = as_person(person)
        assert browser.get(page).status_code == status
        assert browser.post(f"{page}policy/", POLICY | {"save": "1"}).status_code == status
        assert browser.post(f"{page}runs/").status_code == status
    with studio_scope(cast.studio.id):
        assert not RetentionPolicy.objects.exists()
