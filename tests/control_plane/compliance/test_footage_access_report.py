"""The report of who saw a dancer: to the admin all of it, to the dancer's own family theirs, to nobody else."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.audit.models import Entry
from control_plane.audit.services import record
from control_plane.common.errors import Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.compliance.checkpointing import take_checkpoint_when_due
from control_plane.compliance.footage_access_report import FootageAccessReport, report_footage_access
from control_plane.people.models import Guardianship
from control_plane.people.services import end_guardianship
from control_plane.recordings.audit_events import FOOTAGE_COMMITTED
from control_plane.recordings.models import Replay
from control_plane.recordings.rosters import save_roster
from control_plane.tenancy.models import Studio
from tests.control_plane.compliance.conftest import Lesson
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.replays import begin_replay


def watch(lesson: Lesson, user: User, *, minutes: int = 0) -> None:
    with studio_scope(lesson.ada.studio_id):
        replay = begin_replay(lesson.session, user.actor)
        Replay.objects.filter(pk=replay.pk).update(seen_at=replay.seen_at + timedelta(minutes=minutes))


def report(lesson: Lesson, reader: User, **changes: Any) -> FootageAccessReport:
    return report_footage_access(changes.get("dancer", lesson.ada), reader=reader.actor)


def test_the_report_says_who_when_how_long_and_by_which_right(cast: Cast, lesson: Lesson) -> None:
    watch(lesson, cast.ivan, minutes=12)
    watch(lesson, cast.vera)
    found = report(lesson, cast.alice)
    assert [(row.who, row.role, row.did, row.right) for row in found.rows] == [
        ("Vera", "Viewer", "watched the replay", "by role"),
        ("Ivan", "Instructor", "watched the replay", "by role"),
    ]
    lasted = found.rows[1].lasted
    assert lasted is not None
    assert round(lasted / timedelta(minutes=1)) == 12
    assert found.rows[0].class_title == "Ballet"
    assert (found.classes, found.unconfirmed) == (1, 0)


def test_what_is_no_look_is_never_read(cast: Cast, lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class has thousands of entries of its arrival, and a dancer hundreds of classes."""
    watch(lesson, cast.ivan)
    loaded: list[str] = []
    real = Entry.from_db.__func__  # type: ignore[attr-defined]

    def noted(cls: Any, *args: Any) -> Any:
        made = real(cls, *args)
        loaded.append(made.action)
        return made

    with studio_scope(lesson.ada.studio_id):
        for _ in range(5):
            record(
                FOOTAGE_COMMITTED, actor=cast.agent, studio_id=cast.studio.id,
                object_type="recordings.ClassSession", object_id=lesson.session.id,
            )  # fmt: skip
    monkeypatch.setattr(Entry, "from_db", classmethod(noted))
    assert len(report(lesson, cast.alice).rows) == 1
    assert loaded == ["class.replayed"]


def test_a_dancer_who_was_not_there_has_been_seen_by_nobody(cast: Cast, lesson: Lesson) -> None:
    watch(lesson, cast.ivan)
    assert report(lesson, cast.alice, dancer=lesson.bea).rows == []


def test_it_is_for_the_dancers_own_family_and_who_may_read_the_log(
    cast: Cast, other: Cast, lesson: Lesson
) -> None:
    watch(lesson, cast.ivan)
    assert [row.who for row in report(lesson, cast.gita).rows] == ["Ivan"]
    for person, refusal in (
        (cast.ivan, Forbidden),
        (cast.vera, (Forbidden, NotFound)),
        (cast.pat, (Forbidden, NotFound)),
        (cast.sam, NotFound),
        (other.alice, NotFound),
    ):
        with pytest.raises(refusal):
            report(lesson, person)
    with pytest.raises((Forbidden, NotFound)):
        report(lesson, cast.gita, dancer=lesson.bea)


def test_a_family_is_not_told_which_other_families_looked(cast: Cast, lesson: Lesson) -> None:
    watch(lesson, cast.vera)
    watch(lesson, cast.ivan)
    assert {row.who for row in report(lesson, cast.gita).rows} == {"Ivan", "a family of another dancer"}
    assert {row.who for row in report(lesson, cast.alice).rows} == {"Ivan", "Vera"}


def test_a_family_sees_nothing_of_a_roster_that_nobody_confirmed(cast: Cast, lesson: Lesson) -> None:
    watch(lesson, cast.ivan)
    save_roster(lesson.session, [lesson.ada.id], confirm=False, actor=cast.alice.actor)
    assert report(lesson, cast.gita).rows == []
    found = report(lesson, cast.alice)
    assert (len(found.rows), found.unconfirmed, found.rows[0].confirmed) == (1, 1, False)


def test_who_no_longer_answers_for_a_dancer_reads_no_more(cast: Cast, lesson: Lesson) -> None:
    with studio_scope(cast.studio.id):
        end_guardianship(Guardianship.objects.get(dancer=lesson.ada), actor=cast.alice.actor)
    with pytest.raises((Forbidden, NotFound)):
        report(lesson, cast.gita)


def test_reading_the_report_is_put_down(cast: Cast, lesson: Lesson) -> None:
    report(lesson, cast.gita)
    with studio_scope(cast.studio.id):
        entry = Entry.objects.order_by("-sequence")[0]
    assert (entry.action, entry.actor_id, entry.object_id) == (
        "report.read",
        cast.gita.id,
        str(lesson.ada.id),
    )


def test_the_page_and_its_file(cast: Cast, lesson: Lesson) -> None:
    watch(lesson, cast.ivan, minutes=3)
    address = f"/studio/{cast.studio.slug}/dancers/{lesson.ada.id}/seen/"
    page = as_person(cast.gita).get(address)
    assert page.status_code == 200
    assert "watched the replay" in page.content.decode()
    table = as_person(cast.alice).get(address + "file/")
    assert table["Content-Type"].startswith("text/csv")
    assert "Ivan,Instructor,watched the replay,Ballet,180,by role,yes" in table.content.decode()
    assert as_person(cast.sam).get(address).status_code == 404
    assert as_person(cast.vera).get(address).status_code in (403, 404)


def test_a_family_finds_the_way_to_the_report_of_its_own_dancers_alone(cast: Cast, lesson: Lesson) -> None:
    base = f"/studio/{cast.studio.slug}"
    page = as_person(cast.gita).get(f"{base}/classes/").content.decode()
    assert f"{base}/children/{lesson.ada.id}/" in page
    assert str(lesson.bea.id) not in page
    page = as_person(cast.gita).get(f"{base}/children/{lesson.ada.id}/").content.decode()
    assert f"{base}/dancers/{lesson.ada.id}/seen/" in page
    assert "/children/0" not in as_person(cast.vera).get(f"{base}/classes/").content.decode()


def test_admins_see_on_each_page_that_periodic_tasks_have_stopped(cast: Cast, lesson: Lesson) -> None:
    def page(user: User) -> str:
        return as_person(user).get(f"/studio/{cast.studio.slug}/classes/").content.decode()

    cache.clear()
    assert "Periodic tasks have stopped" not in page(cast.alice)
    with studio_scope(cast.studio.id):
        Studio.objects.update(created_at=timezone.now() - timedelta(hours=3))
    assert "Periodic tasks have stopped" in page(cast.alice)
    assert "Periodic tasks have stopped" not in page(cast.gita)
    assert take_checkpoint_when_due() is not None
    assert "Periodic tasks have stopped" not in page(cast.alice)
    cache.clear()
