"""When everything of a class happened: dates, gaps and their reasons, and the rules that hold for any footage."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.recordings.coverage import SHORTEST_GAP_US
from control_plane.recordings.fragments import FragmentRow
from control_plane.recordings.timeline import (
    ClassTimeline,
    Filler,
    GapFacts,
    SegmentFacts,
    TrackFacts,
    TrackTimeline,
    build_timeline,
    contiguous_prefix,
)
from shared.protocol.ids import new_id
from shared.protocol.media import ClockEstimate, ClockMethod

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AGENT = UUID(int=1)
LEFT, RIGHT = UUID(int=11), UUID(int=12)
TICKS = 90_000
S = 1_000_000


def line(
    at_s: float = 0.0, *, pts_s: float = 0.0, rate_ppb: int = 0, provisional: bool = False
) -> ClockEstimate:
    return ClockEstimate(
        method=ClockMethod.RTCP_SR,
        anchor_pts_90k=round(pts_s * TICKS),
        anchor_at=AT + timedelta(seconds=at_s),
        rate_ppb=rate_ppb,
        error_bound_us=500,
        provisional=provisional,
    )


def rows(*spans: tuple[float, float]) -> tuple[FragmentRow, ...]:
    return tuple(
        FragmentRow(16 + 16 * n, 16, "00" * 16, "ab" * 32, round(a * TICKS), round((b - a) * TICKS), 30)
        for n, (a, b) in enumerate(spans)
    )


def segment(
    sequence: int,
    *spans: tuple[float, float],
    run: int = 0,
    clock: ClockEstimate | None = None,
    init: str = "aa",
    agent: UUID = AGENT,
) -> SegmentFacts:
    return SegmentFacts(new_id(), agent, sequence, run, init * 32, clock or line(), rows(*spans))


def gap(from_s: float, to_s: float, reason: str = "camera_offline") -> GapFacts:
    return GapFacts(AT + timedelta(seconds=from_s), AT + timedelta(seconds=to_s), reason)


def one(*segments: SegmentFacts, gaps: tuple[GapFacts, ...] = ()) -> TrackTimeline:
    """The track LEFT beside a RIGHT that has every picture of ten seconds."""
    whole = [segment(1, *[(n, n + 1) for n in range(10)])]
    return build_timeline([TrackFacts(LEFT, segments, gaps), TrackFacts(RIGHT, whole)]).tracks[LEFT]


def places(track: TrackTimeline) -> list[tuple[float, float, float]]:
    return [(p.class_us / S, p.playlist_us / S, p.duration_us / S) for p in track.placed]


def uncovered(track: TrackTimeline) -> list[tuple[float, float, str]]:
    return [(part.from_us / S, part.to_us / S, part.reason) for part in track.uncovered]


def test_class_time_begins_at_the_first_picture_of_any_track() -> None:
    timeline = build_timeline(
        [
            TrackFacts(LEFT, [segment(1, (0, 1), (1, 2), clock=line(0.4))]),
            TrackFacts(RIGHT, [segment(1, (0, 1), (1, 2), clock=line(0.0))]),
        ]
    )
    assert timeline.start_at == AT
    assert timeline.duration_us == 2_400_000
    assert places(timeline.tracks[RIGHT]) == [(0, 0, 1), (1, 1, 1)]
    assert places(timeline.tracks[LEFT]) == [(0.4, 0.4, 1), (1.4, 1.4, 1)]
    assert uncovered(timeline.tracks[LEFT]) == [(0, 0.4, "key_frame")]
    assert uncovered(timeline.tracks[RIGHT]) == [(2, 2.4, "key_frame")]


def test_a_hiccup_at_the_start_is_no_gap_but_both_times_are_told() -> None:
    track = one(segment(1, *[(n, n + 1) for n in range(10)], clock=line(0.02)))
    assert places(track)[0] == (0.02, 0.0, 1)
    assert uncovered(track) == []


def test_provisional_lines_give_way_to_the_first_good_one_of_the_run() -> None:
    track = one(
        segment(1, (0, 1), (1, 2), clock=line(0.7, provisional=True)),
        segment(2, (2, 3), (3, 4), clock=line(0.0)),
        segment(3, (4, 5), (5, 10), clock=line(0.0)),
    )
    assert [place[0] for place in places(track)] == [0, 1, 2, 3, 4, 5]


def test_where_all_lines_are_provisional_the_last_one_dates_the_run() -> None:
    track = one(
        segment(1, (0, 1), clock=line(0.7, provisional=True)),
        segment(2, (1, 10), clock=line(0.2, provisional=True)),
    )
    assert [place[0] for place in places(track)] == [0.2, 1.2]


def test_a_line_that_bends_moves_dates_and_leaves_no_gap() -> None:
    track = one(segment(1, (0, 1), (1, 2)), segment(2, (2, 3), (3, 10), clock=line(0.004)))
    assert places(track)[1:3] == [(1, 1, 1.004), (2.004, 2, 1)]
    assert uncovered(track) == []


def test_the_rate_of_a_camera_clock_moves_class_time_and_not_playlist_time() -> None:
    track = one(segment(1, *[(n, n + 1) for n in range(10)], clock=line(rate_ppb=100_000)))
    assert places(track)[9] == (9.0009, 9, 1.0001)


def test_a_gap_within_a_run_is_filled_to_the_tick() -> None:
    track = one(segment(1, (0, 1), (1, 2)), segment(3, (5, 6), (6, 10)), gaps=(gap(2, 5),))
    assert places(track)[2] == (5, 5, 1)
    assert [entry for entry in track.entries if isinstance(entry, Filler)] == [Filler(2 * S, 3 * S, 2 * S)]
    assert uncovered(track) == [(2, 5, "camera_offline")]
    assert not any(item.discontinuity for item in track.placed)


def test_another_run_begins_at_its_class_time_with_a_discontinuity() -> None:
    track = one(
        segment(1, (0, 1), (1, 2)),
        segment(2, (0, 1), (1, 5), run=1, clock=line(5)),
        gaps=(gap(1.9, 4.2, "camera_offline"),),
    )
    assert places(track) == [(0, 0, 1), (1, 1, 1), (5, 5, 1), (6, 6, 4)]
    assert [item.discontinuity for item in track.placed] == [False, False, True, False]
    assert uncovered(track) == [(2, 4.2, "camera_offline"), (4.2, 5, "key_frame")]


def test_a_run_that_begins_before_the_last_one_ended_cuts_its_last_picture_short() -> None:
    track = one(segment(1, (0, 1), (1, 2)), segment(2, (0, 8), run=1, clock=line(1.7)))
    assert places(track) == [(0, 0, 1), (1, 1, 0.7), (1.7, 2, 8)]


def test_a_run_dated_far_into_the_last_one_is_moved_behind_it_and_loses_nothing() -> None:
    track = one(segment(1, (0, 1), (1, 2)), segment(2, (0, 1), (1, 7), run=1, clock=line(-30)))
    assert places(track) == [(0, 0, 1), (1, 1, 1), (2, 2, 1), (3, 3, 6)]


def test_a_stretch_that_was_recovered_twice_is_placed_once() -> None:
    track = one(segment(1, (0, 1), (1, 2)), segment(2, (1, 2), (2, 3)), segment(3, (3, 10)))
    assert [place[0] for place in places(track)] == [0, 1, 2, 3]


def test_a_gap_that_nobody_reported_says_so() -> None:
    track = one(segment(1, (0, 1)), segment(3, (6, 7), (7, 10)))
    assert uncovered(track) == [(1, 6, "unreported")]


def test_a_track_without_pictures_is_one_gap() -> None:
    assert uncovered(one(gaps=(gap(-3, 99, "camera_refused"),))) == [(0, 10, "camera_refused")]
    assert one().entries == []
    short = build_timeline([TrackFacts(LEFT), TrackFacts(RIGHT, [segment(1, (0, 1))])])
    assert uncovered(short.tracks[LEFT]) == [(0, 1, "unreported")]


def test_reported_gaps_that_overlap_are_told_once() -> None:
    track = one(
        segment(1, (0, 1)),
        segment(9, (9, 10)),
        gaps=(gap(1, 6), gap(4, 7, "agent_stopped"), gap(7, 9, "disk_full")),
    )
    assert uncovered(track) == [(1, 6, "camera_offline"), (6, 7, "agent_stopped"), (7, 9, "disk_full")]


def test_nothing_recorded_has_no_start() -> None:
    assert build_timeline([TrackFacts(LEFT)]) == ClassTimeline(None, 0, {LEFT: TrackTimeline(LEFT)})


def test_while_footage_arrives_a_track_ends_before_its_first_missing_segment() -> None:
    three = [segment(n, (n, n + 1)) for n in (4, 5, 7)]
    assert [item.sequence for item in contiguous_prefix(reversed(three))] == [4, 5]
    other = segment(20, (0, 1), agent=UUID(int=2))
    assert {item.sequence for item in contiguous_prefix([*three, other])} == {4, 5, 20}


@st.composite
def tracks(draw: st.DrawFn) -> list[TrackFacts]:
    """Any footage an agent could send: runs, gaps, slewing and stepping clocks, provisional lines, lost segments."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        segments, sequence, at_s = [], 1, draw(st.floats(-2, 5))
        for run in range(draw(st.integers(0, 3))):
            pts_s = draw(st.floats(-1000, 1000))
            base = line(at_s, pts_s=pts_s, rate_ppb=draw(st.integers(-200_000, 200_000)))
            for _ in range(draw(st.integers(1, 4))):
                spans = []
                for _ in range(draw(st.integers(1, 4))):
                    length_s = draw(st.floats(0.04, 2))
                    spans.append((pts_s, pts_s + length_s))
                    pts_s += length_s + draw(st.sampled_from([0, 0, 0, 0.03, 0.5, 7]))
                moved_us = draw(st.integers(-3000, 3000))
                clock = line(
                    at_s + moved_us / S,
                    pts_s=base.anchor_pts_90k / TICKS,
                    rate_ppb=base.rate_ppb,
                    provisional=draw(st.booleans()),
                )
                if draw(st.integers(0, 5)):
                    segments.append(segment(sequence, *spans, run=run, clock=clock))
                sequence += 1
            at_s += pts_s - base.anchor_pts_90k / TICKS + draw(st.floats(-5, 20))
        gaps = tuple(
            gap(a, a + draw(st.floats(0, 20))) for a in draw(st.lists(st.floats(-5, 60), max_size=4))
        )
        made.append(TrackFacts(UUID(int=100 + number), segments, gaps))
    return made


@settings(max_examples=150, deadline=None)
@given(tracks())
def test_fragments_and_gaps_cover_the_class_without_overlap(facts: list[TrackFacts]) -> None:
    timeline = build_timeline(facts)
    for track in timeline.tracks.values():
        spans = sorted(
            [(p.class_us, p.class_us + p.duration_us) for p in track.placed]
            + [(part.from_us, part.to_us) for part in track.uncovered]
        )
        at_us = 0
        for from_us, to_us in spans:
            assert to_us > from_us
            assert at_us <= from_us < at_us + SHORTEST_GAP_US
            at_us = to_us
        assert timeline.duration_us - SHORTEST_GAP_US < at_us <= timeline.duration_us


@settings(max_examples=150, deadline=None)
@given(tracks())
def test_the_playlist_adds_up_and_loses_no_fragment(facts: list[TrackFacts]) -> None:
    timeline = build_timeline(facts)
    for fact in facts:
        track = timeline.tracks[fact.id]
        assert len(track.placed) == sum(len(item.fragments) for item in fact.segments)
        at_us = 0
        for entry in track.entries:
            assert entry.playlist_us == at_us
            assert entry.extinf_us > 0
            at_us += entry.extinf_us
        for before, after in pairwise(track.placed):
            assert after.class_us > before.class_us
            if not after.discontinuity:
                media_us = (after.row.pts_90k - before.row.pts_90k) * 100 / 9
                assert after.playlist_us - before.playlist_us == pytest.approx(media_us, abs=2)
            fillers = [e for e in track.entries if isinstance(e, Filler)]
            assert all(filler.extinf_us >= SHORTEST_GAP_US or filler.playlist_us == 0 for filler in fillers)
