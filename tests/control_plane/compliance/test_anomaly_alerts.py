"""The watch at work: with its cursor, its alerts, the admins' mail, and the pages."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import DatabaseError
from django.utils import timezone

from control_plane.accounts.audit_events import SIGNIN_FAILED
from control_plane.accounts.models import User
from control_plane.audit.audit_events import AUDIT_EXPORTED
from control_plane.audit.events import AuditEvent
from control_plane.audit.models import Entry
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, Forbidden
from control_plane.common.mail import NO_SERVER
from control_plane.common.scoping import studio_scope
from control_plane.compliance import anomaly_alerts
from control_plane.compliance.anomaly_alerts import (
    acknowledge,
    change_thresholds,
    detect_anomalies,
    mail_alerts,
    thresholds_of,
)
from control_plane.compliance.anomaly_rules import Rule, Thresholds
from control_plane.compliance.models import Alert, AlertNotice, AnomalyCursor
from control_plane.compliance.tasks import detect_anomalies_everywhere
from control_plane.people.models import Relation
from control_plane.people.services import start_guardianship
from control_plane.recordings.audit_events import CLASS_REPLAYED
from control_plane.tenancy.sweeping import SweepIncomplete
from tests.control_plane.compliance.conftest import Lesson
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.replays import begin_replay

NOON = timezone.now().replace(hour=12, minute=0)


@pytest.fixture(autouse=True)
def _mailbox(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def look(cast: Cast, user: User, thing: str, action: AuditEvent = CLASS_REPLAYED) -> None:
    with studio_scope(cast.studio.id):
        record(
            action, actor=user.actor, studio_id=cast.studio.id,
            object_type="recordings.ClassSession", object_id=thing,
        )  # fmt: skip


def watch(cast: Cast) -> list[str]:
    """Watches once; returns the rules of all alerts so far."""
    with studio_scope(cast.studio.id):
        detect_anomalies(cast.studio.id)
        return list(Alert.objects.order_by("raised_at").values_list("rule", flat=True))


def test_a_burst_is_one_alert_however_often_it_is_looked_at(cast: Cast) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for number in range(10):
            look(cast, cast.vera, str(number))
        assert watch(cast) == []
        clock.shift(timedelta(minutes=10))
        for number in range(10, 20):
            look(cast, cast.vera, str(number))
        assert watch(cast) == ["many_classes"], "what was read before the cursor counts"
        look(cast, cast.vera, "another")
        assert watch(cast) == ["many_classes"]
    with studio_scope(cast.studio.id):
        alert = Alert.objects.get()
        assert (alert.person_id, alert.facts["count"]) == (cast.vera.id, 13)
        assert Entry.objects.filter(action="alert.raised").count() == 1
        assert AnomalyCursor.objects.get().sequence <= Entry.objects.order_by("-sequence")[0].sequence


def test_the_cursor_never_goes_past_what_was_looked_at(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_plane.compliance.anomaly_alerts.MAX_ENTRIES", 3)
    for _ in range(40):
        watch(cast)
    with studio_scope(cast.studio.id):
        assert AnomalyCursor.objects.get().sequence == Entry.objects.order_by("-sequence")[0].sequence


def test_a_family_that_watches_a_class_of_others_is_noticed(cast: Cast, lesson: Lesson) -> None:
    start_guardianship(lesson.bea, cast.vera, Relation.PARENT, actor=cast.alice.actor)
    with time_machine.travel(NOON, tick=False), studio_scope(cast.studio.id):
        begin_replay(lesson.session, cast.vera.actor)
    assert watch(cast) == ["other_family"]


def test_own_family_and_staff_are_not(cast: Cast, lesson: Lesson) -> None:
    start_guardianship(lesson.ada, cast.vera, Relation.PARENT, actor=cast.alice.actor)
    start_guardianship(lesson.bea, cast.ivan, Relation.PARENT, actor=cast.alice.actor)
    with time_machine.travel(NOON, tick=False), studio_scope(cast.studio.id):
        begin_replay(lesson.session, cast.vera.actor)
        begin_replay(lesson.session, cast.ivan.actor)
    assert watch(cast) == []


def failed(*people: User) -> None:
    for person in people:
        record(
            SIGNIN_FAILED, actor=Actor.system("accounts.signin"), studio_id=None,
            object_type="accounts.User", object_id=person.id,
        )  # fmt: skip


def test_failed_signins_to_an_account_of_the_studio_are_noticed(cast: Cast, other: Cast) -> None:
    failed(*[cast.vera] * 11)
    assert watch(cast) == ["failed_signins"]
    assert watch(cast) == ["failed_signins"]
    assert watch(other) == []


def test_tries_on_other_accounts_do_not_hide_those_on_the_studios(
    cast: Cast, other: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who tries passwords everywhere at once is not to be noticed less for it."""
    monkeypatch.setattr(anomaly_alerts, "MAX_ENTRIES", 20)
    failed(*[cast.vera] * 11, *[other.vera] * 20)
    assert watch(cast) == ["failed_signins"]


def test_a_read_from_a_second_network_is_noticed(cast: Cast) -> None:
    page = f"/studio/{cast.studio.slug}/audit/"
    as_person(cast.alice).get(page, REMOTE_ADDR="192.0.2.10")
    assert watch(cast) == []
    as_person(cast.alice).get(page, REMOTE_ADDR="192.0.2.77")
    assert watch(cast) == [], "the same neighbourhood"
    as_person(cast.alice).get(page, REMOTE_ADDR="198.51.100.1")
    assert watch(cast) == ["new_network"]
    as_person(cast.alice).get(page, REMOTE_ADDR="198.51.100.2")
    assert watch(cast) == ["new_network"]


def test_admins_get_one_mail_for_all_and_not_one_for_each(cast: Cast, other: Cast) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for user in (cast.vera, cast.ivan):
            for number in range(13):
                look(cast, user, str(number))
        detect_anomalies_everywhere()
        assert len(mail.outbox) == 1
        message = mail.outbox[0]
        assert message.bcc == [cast.alice.email]
        assert "2 alerts" in message.subject
        assert "Vera" not in message.body
        assert f"/studio/{cast.studio.slug}/alerts/" in message.body
        detect_anomalies_everywhere()
        look(cast, cast.vera, "x", AUDIT_EXPORTED)
        clock.shift(timedelta(minutes=5))
        for number in range(6):
            look(cast, cast.vera, str(number), AUDIT_EXPORTED)
        detect_anomalies_everywhere()
        assert len(mail.outbox) == 1, "the next mail waits"
        clock.shift(timedelta(minutes=11))
        detect_anomalies_everywhere()
        assert len(mail.outbox) == 2
        assert "1 alert at" in mail.outbox[1].subject
        detect_anomalies_everywhere()
        assert len(mail.outbox) == 2


def test_a_mail_server_that_refuses_loses_no_alert(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> int:
        raise OSError("no route")

    for number in range(13):
        look(cast, cast.vera, str(number))
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", refuse)
        with pytest.raises(SweepIncomplete):
            detect_anomalies_everywhere()
    with studio_scope(cast.studio.id):
        assert Alert.objects.filter(rule=Rule.MANY_CLASSES).count() == 1
        assert AlertNotice.objects.count() == 0
    assert mail_alerts(cast.studio.id) >= 1
    assert len(mail.outbox) == 1


def test_limits_are_the_studios_own_and_changing_them_is_put_down(cast: Cast, other: Cast) -> None:
    change_thresholds(cast.studio, Thresholds(classes_per_hour=2, watch_nights=False), actor=cast.alice.actor)
    for number in range(3):
        look(cast, cast.vera, str(number))
        look(other, other.vera, str(number))
    assert watch(cast) == ["many_classes"]
    with studio_scope(other.studio.id):
        assert thresholds_of(other.studio.id) == Thresholds()
    with studio_scope(cast.studio.id):
        entry = Entry.objects.get(action="watch.changed")
    assert entry.details == {
        "classes_per_hour": {"from": 12, "to": 2}, "watch_nights": {"from": True, "to": False},
    }  # fmt: skip
    with pytest.raises(Forbidden):
        change_thresholds(cast.studio, Thresholds(), actor=cast.ivan.actor)
    with pytest.raises(BadRequest, match="night_from_hour"):
        change_thresholds(cast.studio, Thresholds(night_from_hour=24), actor=cast.alice.actor)


def test_an_alert_is_looked_into_once_and_never_changed(cast: Cast) -> None:
    for number in range(13):
        look(cast, cast.vera, str(number))
    watch(cast)
    with studio_scope(cast.studio.id):
        alert = Alert.objects.filter(rule=Rule.MANY_CLASSES).get()
    with pytest.raises(Forbidden):
        acknowledge(alert, note="", actor=cast.ivan.actor)
    page = as_person(cast.alice)
    address = f"/studio/{cast.studio.slug}/alerts/"
    assert "13 in total" in page.get(address).content.decode()
    assert page.post(f"{address}{alert.id}/", {"note": "She prepared the show."}).status_code == 302
    shown = page.get(address).content.decode()
    assert "Reviewed by Alice" in shown
    assert "She prepared the show." in shown
    with pytest.raises(Conflict):
        acknowledge(alert, note="again", actor=cast.alice.actor)
    with pytest.raises(DatabaseError, match="permission denied"), studio_scope(cast.studio.id):
        Alert.objects.update(rule="night")


def test_no_page_promises_a_mail_where_there_is_no_mail_server(cast: Cast, settings: Any) -> None:
    for page in ("alerts/", "break-glass/"):
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        address = f"/studio/{cast.studio.slug}/{page}"
        assert "no mail server is configured" not in as_person(cast.alice).get(address).content.decode()
        settings.EMAIL_BACKEND = NO_SERVER
        assert "no mail server is configured" in as_person(cast.alice).get(address).content.decode()


def test_the_pages_are_for_those_who_decide_about_policy(cast: Cast, other: Cast) -> None:
    for page in ("alerts/", "alerts/rules/"):
        address = f"/studio/{cast.studio.slug}/{page}"
        assert as_person(cast.alice).get(address).status_code == 200
        assert as_person(cast.ivan).get(address).status_code == 403
        assert as_person(other.alice).get(address).status_code == 404
    address = f"/studio/{cast.studio.slug}/alerts/rules/"
    posted = {
        "classes_per_hour": "4",
        "night_from_hour": "23",
        "night_to_hour": "5",
        "failed_signins_per_hour": "3",
        "exports_per_hour": "2",
    }
    assert as_person(cast.alice).post(address, posted | {"night_to_hour": "99"}).status_code == 422
    assert as_person(cast.alice).post(address, posted).status_code == 302
    with studio_scope(cast.studio.id):
        assert thresholds_of(cast.studio.id) == Thresholds(
            classes_per_hour=4, night_from_hour=23, night_to_hour=5, failed_signins_per_hour=3, exports_per_hour=2,
            watch_nights=False, watch_networks=False, watch_other_families=False, watch_break_glass=False,
        )  # fmt: skip
