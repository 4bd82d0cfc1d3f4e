"""Durations and sizes as readable text."""

from datetime import timedelta

import pytest

from control_plane.common.humanize import format_duration, format_size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0 s"),
        (2.54, "2.5 s"),
        (9.96, "10 s"),
        (timedelta(seconds=59.6), "1 min"),
        (725, "12 min 5 s"),
        (3600, "1 h"),
        (timedelta(hours=1, minutes=2, seconds=20), "1 h 2 min"),
    ],
)
def test_a_duration_is_rounded_to_two_units(value: float | timedelta | None, text: str) -> None:
    assert format_duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (999, "999 B"),
        (1000, "1 kB"),
        (839_600, "840 kB"),
        (999_600, "1.0 MB"),
        (12_440_000_000, "12.4 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)
def test_a_size_has_three_digits_at_most_and_a_decimal_unit(value: int | None, text: str) -> None:
    assert format_size(value) == text
