"""Time limits of requests. Pure."""

from calendar import monthrange
from datetime import date, timedelta

REMIND_BEFORE = timedelta(days=7)


def due_on(received_on: date) -> date:
    """Returns the last day to answer: the same day of the next month, or that month's last day.

    Source: Regulation (EU) 2016/679 article 12(3), Regulation (EEC) 1182/71 article 3(2)(c).
    """
    year, month = divmod(received_on.year * 12 + received_on.month, 12)
    return date(year, month + 1, min(received_on.day, monthrange(year, month + 1)[1]))
