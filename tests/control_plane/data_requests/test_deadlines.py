"""Time limits of requests."""

from datetime import date

import pytest

from control_plane.data_requests.deadlines import due_on


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (date(2026, 3, 14), date(2026, 4, 14)),
        (date(2026, 12, 31), date(2027, 1, 31)),
        (date(2027, 1, 31), date(2027, 2, 28)),
        (date(2028, 1, 30), date(2028, 2, 29)),
        (date(2026, 11, 30), date(2026, 12, 30)),
    ],
)
def test_an_answer_is_due_on_the_same_day_of_the_next_month(received: date, due: date) -> None:
    assert due_on(received) == due
