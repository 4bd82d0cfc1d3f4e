"""Dates and times for people: one formatter, in the zone of the studio, with names by the locale."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.utils import timezone, translation

from control_plane.common.dates import (
    format_clock,
    format_day,
    format_moment,
    format_short_moment,
    format_weekday,
)

ROOT = Path(__file__).parents[3] / "control_plane"
AT = datetime(2026, 12, 1, 23, 5, tzinfo=UTC)
ZURICH = ZoneInfo("Europe/Zurich")
ELSEWHERE = {
    "access/decision.py": "pure, and imports no Django; its sentence is for logs and the API",
    "common/dates.py": "the formatter itself",
}
"""Modules that format a name of a day or month without `common.dates`, and why."""


def test_a_moment_is_shown_in_the_zone_given() -> None:
    assert format_moment(AT, ZURICH) == "2 December 2026, 00:05"
    assert format_moment(AT, ZURICH, name_zone=True) == "2 December 2026, 00:05 CET"
    assert format_short_moment(AT, ZURICH) == "2 Dec, 00:05"
    assert format_clock(AT, ZURICH) == "00:05"
    assert format_weekday(AT, ZURICH) == "Wednesday"


def test_without_a_zone_the_one_in_force_counts() -> None:
    with timezone.override(ZURICH):
        assert format_moment(AT) == "2 December 2026, 00:05"
    with timezone.override(UTC):
        assert format_moment(AT, name_zone=True) == "1 December 2026, 23:05 UTC"


def test_a_moment_without_a_zone_is_shown_as_it_is() -> None:
    assert format_moment(AT.replace(tzinfo=None), ZURICH, name_zone=True) == "1 December 2026, 23:05"


def test_a_day_names_its_year_unless_it_is_this_one() -> None:
    today = date(2026, 12, 24)
    assert format_day(date(2026, 12, 1), today=today) == "Tuesday 1 December"
    assert format_day(date(2025, 12, 1), today=today) == "Monday 1 December 2025"


def test_names_follow_the_language() -> None:
    with translation.override("de"):
        assert format_moment(AT, ZURICH) == "2. Dezember 2026, 00:05".replace("2.", "2", 1)
        assert format_weekday(AT, ZURICH) == "Mittwoch"


def test_nothing_else_formats_a_date_for_people() -> None:
    """A format of its own shows English names of days and months, whatever the language."""
    named = re.compile(r"\{[^{}]*:[^{}]*%[aAbB]|\bdate_format\b|\bstrftime\b")
    strange = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if named.search(path.read_text(encoding="utf-8"))
    }
    assert strange <= set(ELSEWHERE), strange - set(ELSEWHERE)
