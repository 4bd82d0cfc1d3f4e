"""The playlist's text, line by line: what players are given."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from control_plane.recordings.fragments import FragmentRow
from control_plane.recordings.playback.playlist import MAX_FILLERS, write_playlist
from control_plane.recordings.timeline import SegmentFacts, TrackFacts, TrackTimeline, build_timeline
from shared.protocol.media import ClockEstimate, ClockMethod

AT = datetime(2026, 11, 21, 12, 3, 0, 250_000, tzinfo=UTC)
TRACK = UUID(int=1)
ONE, TWO, THREE = (UUID(int=n) for n in (0xA1, 0xA2, 0xA3))
TICKS = 90_000


def facts(
    id_: UUID, sequence: int, *pts_s: float, run: int = 0, at_s: float = 0, init: str = "a"
) -> SegmentFacts:
    line = ClockEstimate(
        method=ClockMethod.ARRIVAL,
        anchor_pts_90k=0,
        anchor_at=AT + timedelta(seconds=at_s),
        rate_ppb=0,
        error_bound_us=20_000,
        provisional=False,
    )
    rows = tuple(
        FragmentRow(1008 + 2000 * n, 2000, f"{n:032x}", "ab" * 32, round(s * TICKS), TICKS, 30)
        for n, s in enumerate(pts_s)
    )
    return SegmentFacts(id_, UUID(int=9), sequence, run, init * 64, line, rows)


def track(*segments: SegmentFacts) -> TrackTimeline:
    return build_timeline([TrackFacts(TRACK, segments)]).tracks[TRACK]


def test_a_complete_track_is_written_with_one_key_line_for_each_fragment() -> None:
    text = write_playlist(track(facts(ONE, 1, 0, 1), facts(TWO, 2, 2)), start_at=AT, complete=True)
    assert (
        text
        == """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:1
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="init/00000000-0000-0000-0000-0000000000a1.mp4"
#EXT-X-KEY:METHOD=AES-128,URI="../../segments/00000000-0000-0000-0000-0000000000a1/key",IV=0x00000000000000000000000000000000
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T12:03:00.250Z
#EXTINF:1.000000,
#EXT-X-BYTERANGE:2000@1008
../../segments/00000000-0000-0000-0000-0000000000a1/bytes.m4s
#EXT-X-KEY:METHOD=AES-128,URI="../../segments/00000000-0000-0000-0000-0000000000a1/key",IV=0x00000000000000000000000000000001
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T12:03:01.250Z
#EXTINF:1.000000,
#EXT-X-BYTERANGE:2000@3008
../../segments/00000000-0000-0000-0000-0000000000a1/bytes.m4s
#EXT-X-KEY:METHOD=AES-128,URI="../../segments/00000000-0000-0000-0000-0000000000a2/key",IV=0x00000000000000000000000000000000
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T12:03:02.250Z
#EXTINF:1.000000,
#EXT-X-BYTERANGE:2000@1008
../../segments/00000000-0000-0000-0000-0000000000a2/bytes.m4s
#EXT-X-ENDLIST
"""
    )


def test_a_gap_is_filled_with_lines_that_no_player_has_to_fetch() -> None:
    text = write_playlist(track(facts(ONE, 1, 0), facts(TWO, 3, 13.5)), start_at=AT, complete=True)
    assert text.split("\n")[12:18] + text.split("\n")[19:20] == [
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T12:03:01.250Z",
        "#EXT-X-GAP",
        "#EXTINF:10.000000,",
        "gap.m4s",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T12:03:11.250Z",
        "#EXT-X-GAP",
        "gap.m4s",
    ]
    assert "#EXTINF:2.500000," in text
    assert "#EXT-X-TARGETDURATION:10" in text
    assert "#EXT-X-DISCONTINUITY" not in text


def test_a_gap_of_decades_is_a_playlist_of_bounded_length() -> None:
    decades_s = 56 * 365 * 86_400
    text = write_playlist(
        track(facts(ONE, 1, 0), facts(TWO, 2, 0, run=1, at_s=decades_s)), start_at=AT, complete=True
    )
    assert text.count("#EXT-X-GAP\n") == MAX_FILLERS
    lengths = [float(line[8:-1]) for line in text.split("\n") if line.startswith("#EXTINF:")]
    assert abs(sum(lengths) - (decades_s + 1)) < 0.1


def test_many_gaps_of_days_share_one_bound() -> None:
    """One manifest of 256 fragments, each two weeks behind the last, made 2.2 million entries."""
    two_weeks_s = 14 * 86_400
    text = write_playlist(
        track(facts(ONE, 1, *[n * two_weeks_s for n in range(256)])), start_at=AT, complete=True
    )
    assert text.count("#EXT-X-GAP\n") <= MAX_FILLERS + 255
    assert len(text) < 2 << 20
    lengths = [float(line[8:-1]) for line in text.split("\n") if line.startswith("#EXTINF:")]
    assert abs(sum(lengths) - (255 * two_weeks_s + 1)) < 0.1


def test_a_playlist_that_grows_past_the_bound_repeats_what_it_said_before() -> None:
    days_s = 86_400 * 0.4
    segments = [facts(UUID(int=0xA0 + n), n + 1, n * days_s) for n in range(6)]
    texts = [write_playlist(track(*segments[:count]), start_at=AT, complete=False) for count in range(2, 7)]
    pieces = [[line for line in text.split("\n") if "TARGETDURATION" not in line] for text in texts]
    for shorter, longer in pairwise(pieces):
        assert longer[: len(shorter) - 1] == shorter[:-1]


def test_another_run_is_a_discontinuity_and_another_format_has_its_own_clear_init() -> None:
    text = write_playlist(
        track(facts(ONE, 1, 0), facts(TWO, 2, 0, run=1, at_s=1), facts(THREE, 3, 0, run=2, at_s=2, init="b")),
        start_at=AT,
        complete=True,
    )
    lines = text.split("\n")
    assert lines.count("#EXT-X-DISCONTINUITY") == 2
    at = lines.index('#EXT-X-MAP:URI="init/00000000-0000-0000-0000-0000000000a3.mp4"')
    # Or the key before it would be taken to cover the init section as well (RFC 8216, 4.3.2.4).
    assert lines[at - 2 : at] == ["#EXT-X-DISCONTINUITY", "#EXT-X-KEY:METHOD=NONE"]
    assert lines[at + 1].startswith(
        '#EXT-X-KEY:METHOD=AES-128,URI="../../segments/00000000-0000-0000-0000-0000000000a3'
    )
    assert sum(line.startswith("#EXT-X-MAP") for line in lines) == 2


def test_a_class_that_still_arrives_is_open_at_its_end() -> None:
    text = write_playlist(track(facts(ONE, 1, 0)), start_at=AT, complete=False)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text
    assert "#EXT-X-ENDLIST" not in text


def test_a_playlist_of_an_hour_adds_up_to_the_hour() -> None:
    # 29.97 pictures a second: no fragment is a whole number of microseconds.
    ticks = 90_090
    row = FragmentRow(1008, 2000, "0" * 32, "ab" * 32, 0, ticks, 30)
    segment = facts(ONE, 1, 0)
    rows = tuple(FragmentRow(1008, 2000, row.iv, row.sha256, n * ticks, ticks, 30) for n in range(3600))
    laid = track(SegmentFacts(ONE, segment.agent_id, 1, 0, segment.init_sha256, segment.clock, rows))
    text = write_playlist(laid, start_at=AT, complete=True)
    total_s = sum(float(line[8:-1]) for line in text.split("\n") if line.startswith("#EXTINF:"))
    assert abs(total_s - 3600 * ticks / TICKS) < 2e-6


def damaged(item: SegmentFacts) -> SegmentFacts:
    return replace(item, missing="store_damaged")


def test_a_damaged_segment_is_a_gap_and_nothing_else_moves() -> None:
    segments = facts(ONE, 1, 0, 1), facts(TWO, 2, 2, 3), facts(THREE, 3, 4)
    whole = write_playlist(track(*segments), start_at=AT, complete=True).split("\n")
    broken_track = track(segments[0], damaged(segments[1]), segments[2])
    broken = write_playlist(broken_track, start_at=AT, complete=True).split("\n")
    assert [line for line in broken if str(TWO) in line] == []
    assert broken.count("#EXT-X-GAP") == 2
    assert "#EXT-X-DISCONTINUITY" not in broken
    for tag in ("#EXTINF", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-TARGETDURATION"):
        assert [line for line in broken if line.startswith(tag)] == [
            line for line in whole if line.startswith(tag)
        ], "every fragment keeps its number, its place and its length"
    assert [(part.from_us, part.to_us, part.reason) for part in broken_track.uncovered] == [
        (2_000_000, 4_000_000, "store_damaged")
    ]


def test_a_new_run_whose_first_segment_is_damaged_still_begins_with_a_discontinuity() -> None:
    text = write_playlist(
        track(facts(ONE, 1, 0), damaged(facts(TWO, 2, 0, run=1, at_s=1)), facts(THREE, 3, 1, run=1, at_s=1)),
        start_at=AT,
        complete=True,
    )
    lines = text.split("\n")
    assert lines.index("#EXT-X-GAP") < lines.index("#EXT-X-DISCONTINUITY")
    assert lines.count("#EXT-X-DISCONTINUITY") == 1


def test_a_track_that_begins_with_a_damaged_segment_is_set_up_by_the_first_sound_one() -> None:
    text = write_playlist(
        track(damaged(facts(ONE, 1, 0, init="a")), facts(TWO, 2, 1, init="b")), start_at=AT, complete=True
    )
    assert text.count("#EXT-X-MAP") == 1
    assert f'#EXT-X-MAP:URI="init/{TWO}.mp4"' in text
    assert str(ONE) not in text
