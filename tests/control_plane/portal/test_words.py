"""Times and lengths as pages show them."""

import pytest

from control_plane.common.humanize import format_duration, format_size
from control_plane.portal.classes.presenter import stretches


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.84, "0.8 s"), (3.0, "3 s"), (30.2, "30 s"), (60, "1 min"), (125, "2 min 5 s"), (3720, "1 h 2 min")],
)
def test_lengths_read_well(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_sizes_read_well() -> None:
    assert [format_size(value) for value in (0, 840_000, 12_400_000_000, None)] == [
        "0 B",
        "840 kB",
        "12.4 GB",
        "",
    ]


def test_what_a_camera_has_is_the_class_without_its_gaps() -> None:
    assert stretches(30, [(5, 8), (7, 10), (28, 40)]) == [(0, 5), (10, 28)]
    assert stretches(30, []) == [(0.0, 30)]
    assert stretches(30, [(0, 30)]) == []
