"""When beat starts what: nightly work by the clock on the wall, whatever restarts there are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.beat import ScheduleEntry
from django.conf import settings

from control_plane.config.celery import app
from control_plane.config.settings import nightly

NIGHTLY = {
    name: entry["schedule"]
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items()
    if not isinstance(entry["schedule"], float)
}


def test_what_runs_less_than_hourly_runs_at_night_one_after_another() -> None:
    intervals = {
        name: entry["schedule"]
        for name, entry in settings.CELERY_BEAT_SCHEDULE.items()
        if name not in NIGHTLY
    }
    assert max(intervals.values()) <= 3600
    assert NIGHTLY
    assert all(when.hour == {settings.NIGHTLY_HOUR} for when in NIGHTLY.values())
    minutes = [minute for when in NIGHTLY.values() for minute in when.minute]
    assert len(minutes) == len(set(minutes)) == len(NIGHTLY)


@pytest.mark.parametrize(
    ("ran_h_ago", "hour", "is_due"),
    [
        pytest.param(24, 2, True, id="each night"),
        pytest.param(11, 2, True, id="also where it ran at noon, after a restart"),
        pytest.param(36, 14, True, id="at the start of a server that was off at night"),
        pytest.param(5, 7, False, id="not twice"),
        pytest.param(12, 1, False, id="not before its hour"),
    ],
)
def test_a_nightly_task_is_due_at_its_hour_or_at_the_next_start(
    ran_h_ago: int, hour: int, is_due: bool
) -> None:
    now = datetime(2026, 11, 30, hour, 30, tzinfo=UTC)
    when: Any = nightly(10)
    when.nowfun = lambda: now
    entry = ScheduleEntry(
        name="x", task="x", schedule=when, last_run_at=now - timedelta(hours=ran_h_ago), app=app
    )
    due, _ = entry.is_due()
    assert due is is_due
