"""When a connection has taken too long, by a clock of the test."""

import pytest

from control_plane.config.pace import Limits, Pace, Phase, Reason

LIMITS = Limits(head_s=10, handshake_s=30, drain_s=60, drain_bytes=30_000)


def test_a_head_has_ten_seconds_however_its_bytes_come() -> None:
    pace = Pace(LIMITS, 100.0)
    pace.enter(Phase.HEAD, 105.0)
    assert pace.overdue(110.0, 0) is None
    assert pace.overdue(110.1, 0) is Reason.SLOW_HEAD


@pytest.mark.parametrize("phase", [Phase.BODY, Phase.ANSWER, Phase.IDLE, Phase.LINK])
def test_what_waits_for_us_has_no_end_here(phase: Phase) -> None:
    pace = Pace(LIMITS, 0.0)
    pace.enter(phase, 1.0)
    assert pace.overdue(10_000.0, 0) is None


def test_the_next_head_has_its_own_time() -> None:
    pace = Pace(LIMITS, 0.0)
    pace.enter(Phase.BODY, 9.0)
    pace.enter(Phase.IDLE, 50.0)
    pace.enter(Phase.HEAD, 100.0)
    assert pace.overdue(110.0, 0) is None
    assert pace.overdue(111.0, 0) is Reason.SLOW_HEAD


def test_a_handshake_that_we_do_not_decide_ends() -> None:
    pace = Pace(LIMITS, 0.0, Phase.HANDSHAKE)
    assert pace.overdue(30.0, 0) is None
    assert pace.overdue(31.0, 0) is Reason.SLOW_HANDSHAKE


def _reader(bytes_per_s: float, size: int, *, length_s: int = 600) -> Reason | None:
    """Returns what becomes of a peer who reads an answer of `size` bytes that fast."""
    pace = Pace(LIMITS, 0.0, Phase.ANSWER)
    for now_s in range(length_s):
        if (reason := pace.overdue(float(now_s), max(0, int(size - now_s * bytes_per_s)))) is not None:
            return reason
    return None


def test_a_reader_of_five_hundred_bytes_a_second_goes_on_and_a_slower_one_does_not() -> None:
    assert _reader(0, 1) is Reason.UNREAD
    assert _reader(0, 10_000_000) is Reason.UNREAD
    assert _reader(100, 10_000_000) is Reason.UNREAD
    assert _reader(520, 10_000_000) is None
    assert _reader(1_000_000, 10_000_000) is None


def test_a_peer_who_reads_while_we_go_on_writing_goes_on() -> None:
    pace = Pace(LIMITS, 0.0, Phase.ANSWER)
    for now_s in range(0, 3600, 10):
        assert pace.overdue(float(now_s), 64_000) is None
        pace.read(float(now_s) + 5)  # the transport has room again, and the next piece fills it
