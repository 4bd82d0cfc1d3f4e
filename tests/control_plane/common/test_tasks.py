"""A task runs in the studio it was given, and in none otherwise."""

import pytest
from celery import current_app, shared_task
from django.db import connection, transaction

from control_plane.common.errors import ScopeMissing
from control_plane.common.scoping import CLOSED, current_scope
from control_plane.common.tasks import ThreedanceTask, enqueue_by_name
from control_plane.config.celery import app
from control_plane.tenancy.models import Membership
from tests.control_plane.conftest import Cast


@shared_task(name="tests.count_members")
def count_members(*, studio_id: str) -> int:
    return int(Membership.objects.count())


@shared_task(name="tests.count_without")
def count_without() -> int:
    return int(Membership.objects.count())


def test_every_task_is_one_of_ours() -> None:
    assert isinstance(app.tasks["tests.count_members"], ThreedanceTask)


def test_a_task_sees_the_studio_it_was_given(cast: Cast) -> None:
    assert count_members(studio_id=str(cast.studio.id)) == 5
    assert current_scope() == CLOSED
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('threedance.studio_id', true)")
        assert not cursor.fetchone()[0]


def test_a_task_without_a_studio_sees_none(cast: Cast) -> None:
    with pytest.raises(ScopeMissing):
        count_without()


def test_a_kick_waits_for_the_commit(committed: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, kwargs: sent.append((name, kwargs)))
    with transaction.atomic():
        enqueue_by_name("tests.count", studio_id=committed.studio.id)
        assert sent == []
    assert sent == [("tests.count", {"studio_id": str(committed.studio.id)})]
    with transaction.atomic():
        enqueue_by_name("tests.count", studio_id=committed.studio.id)
        transaction.set_rollback(True)
    assert len(sent) == 1
