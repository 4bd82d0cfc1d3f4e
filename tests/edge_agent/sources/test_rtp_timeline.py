"""The media timeline of RTSP goes on evenly, whatever the camera's clock and the reports do."""

import itertools

from edge_agent.sources.rtp_timeline import AudioOffset, RtpTimeline

WRAP = 1 << 32


def test_rtp_time_is_recovered_through_every_step_of_the_cameras_clock() -> None:
    """FFmpeg's pts jumps with the camera's wall clock; the timeline goes on by 3,000 a frame."""
    timeline = RtpTimeline(90_000)
    rtp, wall_us, pts = WRAP - 40_000, 1_700_000_000_000_000, 0
    report: tuple[int, int] | None = None
    places = []
    for index in range(600):
        sender_us = None
        if index in (60, 200, 340, 480):
            wall_us += 500_000 if index in (200, 340) else 0
            pts += 45_000 if index in (200, 340) else 0
            report = (rtp % WRAP, wall_us)
            timeline.report(*report)
        if report is not None:
            sender_us = report[1] + ((rtp - report[0]) % WRAP) * 100 // 9
        places.append(timeline.place(pts, 3000, sender_us))
        rtp, wall_us, pts = rtp + 3000, wall_us + 33_333, pts + 3000
    assert {b - a for a, b in itertools.pairwise(places)} == {3000}
    assert timeline.reports == 4


def test_a_lost_frame_is_a_gap_in_the_timeline_with_reports_and_without() -> None:
    for reported in (False, True):
        timeline = RtpTimeline(90_000)
        if reported:
            timeline.report(0, 1_000_000)
        places = [
            timeline.place(i * 3000, 3000, 1_000_000 + i * 3000 * 100 // 9 if reported else None)
            for i in (0, 1, 2, 3, 4, 5, 9, 10)
        ]
        assert [b - a for a, b in itertools.pairwise(places)] == [3000, 3000, 3000, 3000, 3000, 12_000, 3000]


def test_sound_is_shifted_once_the_reports_agree_and_only_when_it_can_be_heard() -> None:
    shift = AudioOffset()
    for reading in range(2):
        shift.video(900_000 + reading * 450_000, 5_000_000 + reading * 5_000_000)
        shift.audio(900_000 + reading * 450_000, 5_100_000 + reading * 5_000_000)
        assert shift.shift_90k == 0
    shift.video(1_800_000, 15_000_000)
    shift.audio(1_800_000, 15_100_000)
    assert shift.shift_90k == 9000
    close = AudioOffset()
    for reading in range(5):
        close.video(900_000 + reading * 450_000, 5_000_000 + reading * 5_000_000)
        close.audio(900_000 + reading * 450_000, 5_010_000 + reading * 5_000_000)
    assert close.shift_90k == 0
