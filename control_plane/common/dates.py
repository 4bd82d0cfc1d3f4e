"""The only formatter of dates and times for people in Python code: by the locale, in the zone of the studio.

Templates use the `date` filter, which formats alike. Times for programs are ISO 8601 (`isoformat`).
"""

from datetime import date, datetime, tzinfo

from django.utils import timezone
from django.utils.formats import date_format


def format_moment(at: datetime, zone: tzinfo | None = None, *, name_zone: bool = False) -> str:
    """Returns a date with its time: `1 December 2026, 17:05`.

    Args:
        at: aware; one without a zone is shown as it is.
        zone: None: the zone in force, which is the studio's while one of its pages is served.
        name_zone: adds the zone's short name, for text that is read elsewhere: `1 December 2026, 17:05 CET`.
    """
    if timezone.is_naive(at):
        return date_format(at, "j F Y, H:i")
    return date_format(timezone.localtime(at, zone), "j F Y, H:i T" if name_zone else "j F Y, H:i")


def format_short_moment(at: datetime, zone: tzinfo | None = None) -> str:
    """Returns a recent date with its time: `1 Dec, 17:05`."""
    return date_format(timezone.localtime(at, zone), "j M, H:i")


def format_clock(at: datetime, zone: tzinfo | None = None) -> str:
    """Returns a time of day: `17:05`."""
    return date_format(timezone.localtime(at, zone), "H:i")


def format_weekday(at: datetime, zone: tzinfo | None = None) -> str:
    """Returns a day of the week: `Tuesday`."""
    return date_format(timezone.localtime(at, zone), "l")


def format_day(day: date, *, today: date) -> str:
    """Returns a day with its weekday, and the year unless it is this one: `Tuesday 1 December`."""
    return date_format(day, "l j F" if day.year == today.year else "l j F Y")
