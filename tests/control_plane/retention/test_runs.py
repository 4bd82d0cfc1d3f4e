"""Runs: delete what is due and nothing else, stop and ask, and are right after a kill at any instant."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.utils import timezone

from control_plane.administration import services as administration
from control_plane.audit.models import Entry
from control_plane.common.errors import Conflict, Forbidden
from control_plane.common.leases import LEASE, claim
from control_plane.common.scoping import studio_scope
from control_plane.keys.models import KeyTombstone
from control_plane.people import services as people
from control_plane.people.dancer_list import NewDancer
from control_plane.recordings import timetable
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from control_plane.retention import runs, services
from control_plane.retention.alerts import alert_admins
from control_plane.retention.evaluator import PolicyFacts
from control_plane.retention.models import (
    HoldKind,
    ItemState,
    RetentionRule,
    RetentionRun,
    RetentionRunItem,
    RunState,
    StopReason,
)
from control_plane.retention.planning import plan_studio, preview, read_policy, rule_fact
from control_plane.retention.tasks import continue_retention, run_retention
from control_plane.tenancy.models import Room
from tests.control_plane.conftest import Cast, make_cast
from tests.control_plane.retention.past import decide, kept, past_class

pytestmark = pytest.mark.django_db(transaction=True)
RECENT = 10


@pytest.fixture
def hall(committed: Cast) -> Room:
    return administration.create_room(committed.studio, name="Hall", actor=committed.alice.actor)


@pytest.fixture
def due(committed: Cast, hall: Room) -> list[UUID]:
    """Three classes that are due, among ten that are not."""
    decide(committed)
    for _ in range(RECENT):
        past_class(committed, hall, days_ago=1)
    return [past_class(committed, hall, days_ago=days) for days in (8.5, 9, 12)]


def _run(cast: Cast) -> RetentionRun:
    run = runs.start_run(cast.studio)
    assert run is not None
    return run


def _reread(run: RetentionRun) -> RetentionRun:
    with studio_scope(run.studio_id):
        row: RetentionRun = RetentionRun.objects.get(pk=run.pk)
        return row


def _finish(run: RetentionRun) -> RetentionRun:
    while runs.continue_run(run.studio_id, run.id, most=2):
        pass
    return _reread(run)


def test_what_is_due_is_deleted_and_nothing_else(committed: Cast, due: list[UUID]) -> None:
    before = kept(committed)
    run = _finish(_run(committed))
    assert (run.state, run.done_classes, run.due_classes, run.total_classes) == (RunState.DONE, 3, 3, 13)
    assert kept(committed) == before - set(due)
    with studio_scope(committed.studio.id):
        assert set(KeyTombstone.objects.values_list("object_id", flat=True)) == set(due)
        assert Entry.objects.filter(action="class.expired").count() == 3
    again = _finish(_run(committed))
    assert (again.state, again.due_classes) == (RunState.DONE, 0)


def test_another_studio_keeps_its_classes(committed: Cast, due: list[UUID]) -> None:
    other = make_cast()
    theirs = administration.create_room(other.studio, name="Theirs", actor=other.alice.actor)
    past_class(other, theirs, days_ago=100)
    decide(other, minors_days=300)
    before = kept(other)
    _finish(_run(committed))
    assert kept(other) == before


def test_nothing_is_deleted_before_somebody_decides_and_admins_hear_of_it(
    committed: Cast, hall: Room
) -> None:
    past_class(committed, hall, days_ago=100)
    assert runs.start_run(committed.studio) is None
    for _ in range(2):
        with studio_scope(committed.studio.id):
            alert_admins(committed.studio)
    assert len(mail.outbox) == 1
    assert "nothing is deleted" in mail.outbox[0].body
    assert len(kept(committed)) == 1


def test_a_class_with_a_confirmed_roster_of_adults_is_kept_longer(committed: Cast, due: list[UUID]) -> None:
    alice = committed.alice.actor
    adult = people.add_dancer(committed.studio, NewDancer("Ada", 1980), actor=alice)
    child = people.add_dancer(committed.studio, NewDancer("Cleo", 2018), actor=alice)
    for class_id, dancers in zip(due, ([adult.id], [adult.id, child.id]), strict=False):
        with studio_scope(committed.studio.id):
            row = ClassSession.objects.get(pk=class_id)
        save_roster(row, dancers, confirm=True, actor=alice)
    with studio_scope(committed.studio.id):
        assert {one.item.id for one in plan_studio(committed.studio).due} == set(due[1:])


def test_a_class_with_an_enrolled_child_is_one_with_minors(committed: Cast, due: list[UUID]) -> None:
    alice = committed.alice.actor
    child = people.add_dancer(committed.studio, NewDancer("Cleo", 2018), actor=alice)
    weekly = timetable.add_class_type(committed.studio, "Ballet 2", actor=alice)
    timetable.enrol(weekly, [child.id], starts_on=(timezone.now() - timedelta(days=9)).date(), actor=alice)
    for class_id in due:
        with studio_scope(committed.studio.id):
            row = ClassSession.objects.get(pk=class_id)
        timetable.set_class_type(row, weekly, actor=alice)
        save_roster(row, [], confirm=True, actor=alice)
    with studio_scope(committed.studio.id):
        # The third was before the enrolment: its roster of nobody is one of adults.
        assert {one.item.id for one in plan_studio(committed.studio).due} == set(due[:2])


def test_who_has_grown_up_since_is_still_a_child_in_the_footage(committed: Cast, due: list[UUID]) -> None:
    alice = committed.alice.actor
    # 18 years and two or three days: a child in the class of a week ago.
    born = timezone.now().date() - timedelta(days=18 * 365 + 7)
    grown = NewDancer("Cleo", birth_date=born)
    dancer = people.add_dancer(committed.studio, grown, actor=alice)
    assert not dancer.is_minor
    with studio_scope(committed.studio.id):
        row = ClassSession.objects.get(pk=due[0])
    save_roster(row, [dancer.id], confirm=True, actor=alice)
    with studio_scope(committed.studio.id):
        assert due[0] in {one.item.id for one in plan_studio(committed.studio).due}


# --- holds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [HoldKind.LEGAL, HoldKind.MANUAL])
def test_what_is_held_is_kept(committed: Cast, due: list[UUID], kind: HoldKind) -> None:
    with studio_scope(committed.studio.id):
        row = ClassSession.objects.get(pk=due[0])
    until = timezone.now() + timedelta(days=30)
    services.place_hold(row, kind=kind, reason="the show", ends_at=until, actor=committed.alice.actor)
    assert _finish(_run(committed)).done_classes == 2
    assert due[0] in kept(committed)


def test_a_hold_that_is_placed_while_the_run_works_is_heeded(committed: Cast, due: list[UUID]) -> None:
    run = _run(committed)
    services.place_hold(
        committed.studio, kind=HoldKind.LEGAL, reason="a court", ends_at=None, actor=committed.alice.actor
    )
    run = _finish(run)
    assert (run.done_classes, run.kept_classes) == (0, 3)
    assert set(due) <= kept(committed)


# --- stop and ask ---------------------------------------------------------------------------------------------------


def test_a_run_that_would_delete_much_asks_first(committed: Cast, due: list[UUID], hall: Room) -> None:
    for _ in range(4):
        past_class(committed, hall, days_ago=20)
    before = kept(committed)
    run = _finish(_run(committed))
    assert (run.state, run.stop_reason) == (RunState.WAITING, StopReason.TOO_MUCH)
    assert kept(committed) == before
    with pytest.raises(Forbidden):
        runs.confirm_run(run, actor=committed.ivan.actor)
    runs.confirm_run(run, actor=committed.alice.actor)
    assert _finish(run).done_classes == 7


def test_bytes_count_too(committed: Cast, due: list[UUID], hall: Room) -> None:
    past_class(committed, hall, days_ago=20, footage_bytes=100_000)
    assert _run(committed).stop_reason == StopReason.TOO_MUCH


def test_a_cancelled_run_deletes_nothing(committed: Cast, due: list[UUID]) -> None:
    before = kept(committed)
    run = _run(committed)
    runs.cancel_run(run, actor=committed.alice.actor)
    assert _finish(run).state == RunState.CANCELLED
    assert kept(committed) == before
    with pytest.raises(Conflict):
        runs.cancel_run(run, actor=committed.alice.actor)


@pytest.mark.parametrize(
    "jump", [timedelta(days=20), timedelta(days=-2), timedelta(minutes=20)], ids=["ahead", "back", "apart"]
)
def test_a_run_asks_when_the_clock_jumps(committed: Cast, due: list[UUID], jump: timedelta) -> None:
    run = runs.start_run(committed.studio, now=timezone.now() + jump)
    assert run is not None
    assert (run.state, run.stop_reason) == (RunState.WAITING, StopReason.CLOCK)


@pytest.mark.parametrize("days", [-1, 4])
def test_a_run_asks_when_it_is_long_after_the_last_or_before_it(
    committed: Cast, due: list[UUID], days: int
) -> None:
    _finish(_run(committed))
    with studio_scope(committed.studio.id):
        RetentionRun.objects.update(planned_at=timezone.now() - timedelta(days=days))
    assert _run(committed).stop_reason == StopReason.CLOCK


def test_one_run_at_a_time(committed: Cast, due: list[UUID]) -> None:
    _run(committed)
    with pytest.raises(Conflict, match="open"):
        runs.start_run(committed.studio, actor=committed.alice.actor)


# --- kills ----------------------------------------------------------------------------------------------------------


class _Killed(BaseException):
    """The process dies here."""


STEPS = (
    "claim",
    "lock_class",
    "renew",
    "plan_studio",
    "expire_class",
    "release",
    "record_for",
    "_settle",
    "_finish",
)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_loses_and_repeats_nothing(
    committed: Cast,
    due: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    turn: int,
    after: bool,
) -> None:
    before = kept(committed)
    run = _run(committed)
    real: Callable[..., Any] = getattr(runs, step)
    calls = 0

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == turn and not after:
            raise _Killed
        answer = real(*args, **kwargs)
        if calls == turn:
            raise _Killed
        return answer

    monkeypatch.setattr(runs, step, dying)
    for _ in range(9):
        try:
            if not runs.continue_run(run.studio_id, run.id, most=1):
                break
        except _Killed:
            with studio_scope(committed.studio.id):
                RetentionRun.objects.update(lease_until=timezone.now() - LEASE)
    run = _reread(run)
    assert (run.state, run.done_classes, run.kept_classes) == (RunState.DONE, 3, 0)
    assert kept(committed) == before - set(due)
    with studio_scope(committed.studio.id):
        assert Entry.objects.filter(action="class.expired").count() == 3
        assert Entry.objects.filter(action="retention.run_finished").count() == 1
        assert set(RetentionRunItem.objects.values_list("state", flat=True)) == {ItemState.DELETED}


def test_a_worker_that_lost_its_lease_deletes_nothing(committed: Cast, due: list[UUID]) -> None:
    run = _run(committed)
    before = kept(committed)
    with studio_scope(committed.studio.id):
        token = claim(RetentionRun.objects.filter(pk=run.pk))
        assert token
        RetentionRun.objects.update(lease_until=timezone.now() - LEASE)
        assert claim(RetentionRun.objects.filter(pk=run.pk))
        assert not runs._next_class(committed.studio.id, run.id, token)
    assert kept(committed) == before


# --- by schedule ----------------------------------------------------------------------------------------------------


def test_the_nightly_task_deletes_in_every_studio(committed: Cast, due: list[UUID]) -> None:
    run_retention()
    with studio_scope(committed.studio.id):
        (run_id,) = runs.open_runs()
    continue_retention(studio=str(committed.studio.id), run_id=str(run_id))
    assert not set(due) & kept(committed)


def test_admins_hear_of_what_is_a_day_late(committed: Cast, due: list[UUID]) -> None:
    with studio_scope(committed.studio.id):
        alert_admins(committed.studio)
        alert_admins(committed.studio)
        assert Entry.objects.get(action="retention.overdue").details == {"classes": 2}
    assert len(mail.outbox) == 1


def test_a_class_that_is_recorded_for_days_is_kept(committed: Cast, due: list[UUID], hall: Room) -> None:
    running = past_class(committed, hall, days_ago=20, state=ClassState.RECORDING, stop_requested_at=None)
    _finish(_run(committed))
    assert running in kept(committed)


# --- preview --------------------------------------------------------------------------------------------------------


def test_a_preview_lists_what_a_rule_would_change_and_saves_nothing(
    committed: Cast, due: list[UUID], hall: Room
) -> None:
    rule = RetentionRule(studio=committed.studio, room=hall, days=1)
    with studio_scope(committed.studio.id):
        now = read_policy()
    changed = PolicyFacts(True, now.adults_days, now.minors_days, (*now.rules, rule_fact(rule)), now.holds)
    found = preview(committed.studio, changed, actor=committed.alice.actor)
    assert len(found) == RECENT + len(due)
    assert all(one.after and one.before and one.after < one.before for one in found)
    assert [one.after for one in found] == sorted(one.after for one in found if one.after)
    with studio_scope(committed.studio.id):
        assert not RetentionRule.objects.exists()
    with pytest.raises(Forbidden):
        preview(committed.studio, changed, actor=committed.ivan.actor)
