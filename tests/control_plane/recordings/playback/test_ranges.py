"""Which bytes a Range header asks for."""

import pytest

from control_plane.recordings.playback.ranges import ByteRange, Unsatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        (" bytes=10- ", 10, 99),
        ("bytes=90-500", 90, 99),
        ("bytes=-10", 90, 99),
        ("bytes=-500", 0, 99),
        ("BYTES=0-4", 0, 4),
    ],
)
def test_one_range_is_served(header: str, first: int, last: int) -> None:
    assert parse_range(header, 100) == ByteRange(first, last, 100)
    assert str(ByteRange(first, last, 100)) == f"bytes {first}-{last}/100"


@pytest.mark.parametrize(
    "header",
    ["", "bytes=5-2", "bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes", "bytes=a-b", f"bytes={'9' * 30}-"],
)
def test_what_breaks_the_rules_or_is_none_is_ignored(header: str) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_lies_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)
