"""When the upload window is open: against the clock on the wall, looked at minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.upload.upload_window import DailyWindow
from shared.protocol.config import UploadWindow

CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),
    "America/New_York": ("2026-03-08T07:00Z", "2026-11-01T06:00Z"),
    "Australia/Lord_Howe": ("2026-04-04T15:00Z", "2026-10-03T15:30Z"),  # half an hour
    "Antarctica/Troll": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),  # two hours
    "Pacific/Apia": ("2011-12-30T10:00Z",),  # a day that never was
    "Asia/Kathmandu": ("2026-06-01T00:00Z",),  # none; 5:45 ahead
}
MINUTE = timedelta(minutes=1)
DAY = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]

times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
# Some near the hour at which most clocks are changed, where it is easy to be wrong.
edges = st.sampled_from(["00:00", "01:30", "02:00", "02:15", "02:30", "03:00", "03:30", "23:59"])


@st.composite
def moments(draw: st.DrawFn) -> tuple[UploadWindow, datetime]:
    """A window, and an instant around a change of the clock in its zone."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    opens, closes = draw(st.tuples(times | edges, times | edges).filter(lambda pair: pair[0] != pair[1]))
    change_at = datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone])))
    at = change_at + timedelta(seconds=draw(st.integers(-100_000, 100_000)))
    return UploadWindow(opens=opens, closes=closes, time_zone=zone), at


def wall_says(policy: UploadWindow, at: datetime) -> bool:
    """The window as a wall clock shows it: naive, and by no rule but the times themselves."""
    from_opening = DAY[DAY.index(policy.opens) :] + DAY[: DAY.index(policy.opens)]
    minutes = from_opening[: from_opening.index(policy.closes)]
    return at.astimezone(ZoneInfo(policy.time_zone)).strftime("%H:%M") in minutes


@settings(max_examples=100, deadline=None)
@given(moments())
def test_it_is_open_when_the_wall_shows_a_time_in_it(moment: tuple[UploadWindow, datetime]) -> None:
    policy, at = moment
    assert DailyWindow(policy).is_open(at) is wall_says(policy, at)


@settings(max_examples=60, deadline=None)
@given(moments())
def test_it_opens_at_the_first_minute_that_is_in_it(moment: tuple[UploadWindow, datetime]) -> None:
    policy, at = moment
    window, then = DailyWindow(policy), DailyWindow(policy).opens_after(at)
    if wall_says(policy, at):
        assert then == at
        return
    # Minute by minute with the rule that the test above has proven, for it is quicker than the wall's.
    minute = at.replace(second=0, microsecond=0) + MINUTE
    while not window.is_open(minute):
        minute += MINUTE
    assert then == minute
    assert then - at < timedelta(days=3)


@pytest.mark.parametrize(
    ("opens", "closes", "at", "expected"),
    [
        ("22:00", "06:00", "2026-01-01T20:59:59.999Z", False),
        ("22:00", "06:00", "2026-01-01T21:00Z", True),
        ("22:00", "06:00", "2026-01-02T04:59:59.999Z", True),
        ("22:00", "06:00", "2026-01-02T05:00Z", False),
        ("22:00", "06:00", "2026-07-01T20:00Z", True),  # in summer an hour earlier by UTC
        ("08:00", "09:00", "2026-01-01T07:30Z", True),
        ("08:00", "09:00", "2026-01-01T08:00Z", False),
        # In autumn 02:00 to 03:00 comes twice, and so does a window in it.
        ("02:00", "02:30", "2026-10-25T00:15Z", True),
        ("02:00", "02:30", "2026-10-25T00:45Z", False),
        ("02:00", "02:30", "2026-10-25T01:15Z", True),
        # In spring the wall goes from 02:00 to 03:00: one that began in between begins at once.
        ("02:30", "06:00", "2026-03-29T00:59Z", False),
        ("02:30", "06:00", "2026-03-29T01:00Z", True),
    ],
)
def test_the_times_of_one_studio(opens: str, closes: str, at: str, expected: bool) -> None:
    window = DailyWindow(UploadWindow(opens=opens, closes=closes, time_zone="Europe/Berlin"))
    assert window.is_open(datetime.fromisoformat(at)) is expected


def test_a_window_in_the_hour_that_is_skipped_opens_the_next_day() -> None:
    window = DailyWindow(UploadWindow(opens="02:10", closes="02:50", time_zone="Europe/Berlin"))
    opens_at = window.opens_after(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert opens_at.isoformat() == "2026-03-30T02:10:00+02:00"


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "europe/berlin2"])
def test_a_zone_that_the_machine_does_not_know_is_refused(name: str) -> None:
    with pytest.raises((ZoneInfoNotFoundError, ValueError, OSError)):
        DailyWindow(UploadWindow(opens="22:00", closes="06:00", time_zone=name))
