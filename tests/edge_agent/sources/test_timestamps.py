"""Stray times of single pictures cost at most their own; real steps are told; decode times rise from the first one on."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.sources.rtp_timeline import RtpTimeline
from edge_agent.sources.timestamps import (
    CONFIRMED_BY,
    MOST_REORDERED,
    DtsGenerator,
    PlacedPicture,
    PtsFilter,
    infer_first_pts,
)

FRAME, SECOND = 3000, 90_000
WRAP = 1 << 32
SPAN = 300


def placed(
    stamps: Sequence[int],
    *,
    arrivals: Sequence[int] | None = None,
    reorders: bool = False,
    frame: int = FRAME,
    may_reorder: bool = False,
    wrap: int | None = None,
) -> list[PlacedPicture[int]]:
    """Returns what becomes of pictures with these times, numbered; they arrive as fast as they last."""
    times: PtsFilter[int] = PtsFilter(
        frame=frame, second=SECOND, reorders=reorders, wrap=wrap, may_reorder=lambda _: may_reorder
    )
    found = []
    for number, stamp in enumerate(stamps):
        arrival = arrivals[number] if arrivals else number * frame
        found += list(times.push(number, stamp, arrival))
        assert len(times._held) < CONFIRMED_BY
    return found + list(times.finish())


def steady(count: int = SPAN, begin: int = 1_000_000) -> list[int]:
    return [begin + number * FRAME for number in range(count)]


strays = st.dictionaries(
    st.integers(5, SPAN - 6),
    st.integers(-(1 << 40), 1 << 40).filter(bool),
    max_size=60,
).map(lambda found: {n: off for n, off in found.items() if not {n - 1, n - 2} & set(found)})
"""Pictures with a time of their own, two good ones at least between them."""


@given(strays)
def test_a_stray_time_costs_at_most_its_own_picture(off: dict[int, int]) -> None:
    true = steady()
    found = placed([stamp + off.get(number, 0) for number, stamp in enumerate(true)])
    assert [one.item for one in found] == list(range(SPAN))
    assert all(a.at < b.at for a, b in pairwise(found))
    for one in found:
        if one.item in off:
            assert abs(one.at - true[one.item]) <= FRAME
        else:
            assert (one.at, one.is_outlier) == (true[one.item], False)
    assert not any(one.is_step for one in found)


@given(strays.map(lambda found: {n: off for n, off in found.items() if abs(off) > SECOND}))
def test_a_wild_time_is_never_believed(off: dict[int, int]) -> None:
    true = steady()
    found = placed([stamp + off.get(number, 0) for number, stamp in enumerate(true)])
    assert {one.item for one in found if one.is_outlier} == set(off)
    assert all(abs(one.at - true[one.item]) <= 1 for one in found)


@given(st.integers(0, WRAP - 1), strays, st.sampled_from([FRAME, 3600, 6006, 90_000]))
def test_rtp_time_goes_round_at_32_bits_with_strays_and_without(
    begin: int, off: dict[int, int], frame: int
) -> None:
    """FFmpeg carries the time on past the wrap in its own way: all that counts is what the camera sent, in 32 bits."""
    off = {number: by for number, by in off.items() if frame < abs((by + WRAP // 2) % WRAP - WRAP // 2)}
    timeline = RtpTimeline(SECOND, wraps=True)
    mood = random.Random(begin)
    raw = [
        timeline.place(
            (begin + number * frame + off.get(number, 0)) % WRAP + mood.choice((-WRAP, 0, WRAP)), frame, None
        )
        for number in range(SPAN)
    ]
    found = placed(raw, frame=frame, wrap=WRAP)
    assert [one.item for one in found] == list(range(SPAN))
    believed = [one for one in found if one.item not in off]
    assert {one.at - one.item * frame for one in believed} == {raw[0]}


@given(
    st.integers(10, SPAN - 10),
    st.integers(-(1 << 40), 1 << 40).filter(lambda by: by < -3 * FRAME or by > SECOND * 9),
)
def test_a_clock_that_is_set_is_told_from_a_stray(at: int, by: int) -> None:
    stamps = [stamp + by * (number >= at) for number, stamp in enumerate(steady())]
    found = placed(stamps)
    assert [one.at for one in found] == stamps
    assert [one.item for one in found if one.is_step] == [at]
    assert not any(one.is_outlier for one in found)


@given(
    st.lists(st.sampled_from([FRAME, FRAME, 2 * FRAME, 6 * FRAME, 15_000, 60_000]), min_size=20, max_size=80)
)
def test_a_camera_that_sends_fewer_pictures_at_night_is_believed(steps: list[int]) -> None:
    stamps = [sum(steps[:number]) for number in range(len(steps))]
    jitter = random.Random(len(steps))
    arrivals = [stamp + jitter.randrange(9000) for stamp in stamps]
    found = placed(stamps, arrivals=arrivals)
    assert [one.at for one in found] == stamps
    assert not any(one.is_outlier or one.is_step for one in found)


def test_what_the_network_held_up_comes_at_once_and_is_believed() -> None:
    stamps = steady(120)
    arrivals = [number * FRAME for number in range(60)] + [
        120 * FRAME + 5 * SECOND + number for number in range(60)
    ]
    found = placed(stamps, arrivals=arrivals)
    assert [one.at for one in found] == stamps
    # A silence of the camera itself is in its times as well.
    silent = [stamp + 7 * SECOND * (number >= 60) for number, stamp in enumerate(stamps)]
    late = [number * FRAME + 7 * SECOND * (number >= 60) + 20_000 * (number >= 60) for number in range(120)]
    found = placed(silent, arrivals=late)
    assert [one.at for one in found] == silent
    assert not any(one.is_step for one in found)


def test_a_time_that_is_repeated_lies_between_its_neighbours() -> None:
    stamps = steady(60)
    stamps[30] = stamps[29]
    found = placed(stamps)
    assert all(a.at < b.at for a, b in pairwise(found))
    assert [one.item for one in found if one.is_outlier] == [30]
    # A picture too many, with the time of the one before it.
    doubled = steady(30) + steady(30, begin=1_000_000 + 29 * FRAME)
    found = placed(doubled)
    assert len(found) == 60
    assert all(a.at < b.at for a, b in pairwise(found))


def test_times_that_were_swapped_cost_the_two_pictures_alone() -> None:
    stamps = steady(60)
    stamps[30], stamps[31] = stamps[31], stamps[30]
    found = placed(stamps)
    assert all(abs(one.at - (1_000_000 + one.item * FRAME)) <= FRAME for one in found)
    assert all(one.at == stamps[one.item] for one in found if one.item not in (30, 31))


def test_several_strays_in_a_row_are_strays_unless_they_follow_each_other() -> None:
    stamps = steady(60)
    stamps[30:34] = [5, 70_000_000, -3, 9_000_000_000]
    found = placed(stamps)
    assert [one.item for one in found if one.is_outlier] == [30, 31, 32, 33]
    assert all(a.at < b.at for a, b in pairwise(found))
    assert found[34].at == stamps[34]


@given(
    st.lists(st.tuples(st.integers(-(1 << 41), 1 << 41), st.integers(0, 10 * SECOND)), max_size=60),
    st.booleans(),
)
def test_whatever_the_times_are_no_picture_is_lost_doubled_or_moved(
    pairs: list[tuple[int, int]], reorders: bool
) -> None:
    arrivals = [sum(waited for _, waited in pairs[: number + 1]) for number in range(len(pairs))]
    found = placed([stamp for stamp, _ in pairs], arrivals=arrivals, reorders=reorders)
    assert [one.item for one in found] == list(range(len(pairs)))


# The order of decoding.

PATTERNS = {0: [0], 1: [1, 0], 2: [2, 0, 1], 3: [3, 1, 0, 2], 4: [4, 2, 0, 1, 3]}
"""For each number of pictures in a row that are shown before one decoded first: their places in the order of showing."""


def shown_order(b_frames: int, count: int) -> list[int]:
    """Returns the places of pictures in the order of decoding: a key frame, then groups like `PATTERNS`."""
    places, base = [0], 1
    while len(places) < count:
        places += [base + place for place in PATTERNS[b_frames]]
        base += b_frames + 1
    return places[:count]


@pytest.mark.parametrize("b_frames", PATTERNS)
def test_decode_times_rise_a_frame_at_a_time_and_are_never_behind(b_frames: int) -> None:
    shown = [place * FRAME for place in shown_order(b_frames, 61)]
    depth = max(sum(early > one for early in shown[:index]) for index, one in enumerate(shown))
    times = DtsGenerator(depth=depth, frame=FRAME, first=shown[: depth + 2])
    decoded = [times.next_dts(one) for one in shown]
    assert [b - a for a, b in pairwise(decoded)] == [FRAME] * 60
    assert all(a <= b for a, b in zip(decoded, shown, strict=True))
    assert decoded[0] == -depth * FRAME


@given(st.lists(st.integers(0, 200), min_size=1, max_size=120), st.integers(0, 20))
def test_decode_times_rise_whatever_is_shown_when(places: list[int], depth: int) -> None:
    shown = [place * FRAME for place in places]
    times = DtsGenerator(depth=depth, frame=FRAME, first=shown)
    decoded = [times.next_dts(one) for one in shown]
    assert all(a < b for a, b in pairwise(decoded))
    assert decoded[0] >= shown[0] - 2 * MOST_REORDERED * FRAME


def test_a_depth_that_was_not_told_is_found_out() -> None:
    """FFmpeg guesses that there is none where the camera's parameter sets do not say."""
    shown = [place * FRAME for place in shown_order(2, 60)]
    times = DtsGenerator(depth=0, frame=FRAME, first=shown[:1])
    decoded = [times.next_dts(one) for one in shown]
    assert all(a < b for a, b in pairwise(decoded))
    assert all(a <= b for a, b in list(zip(decoded, shown, strict=True))[8:])


def test_a_stream_whose_order_was_not_told_is_not_taken_for_one_of_strays() -> None:
    stamps = [1_000_000 + place * FRAME for place in shown_order(2, 120)]
    found = placed(stamps, may_reorder=True)
    assert [one.at for one in found] == stamps
    assert not any(one.is_outlier for one in found)


@pytest.mark.parametrize("b_frames", [1, 2, 3])
def test_a_wild_time_among_reordered_pictures_costs_its_own_alone(b_frames: int) -> None:
    true = [1_000_000 + place * FRAME for place in shown_order(b_frames, 120)]
    off = {20: -882_000_000, 43: 1 << 33, 77: 5 * SECOND, 101: -2 * SECOND}
    found = placed([stamp + off.get(number, 0) for number, stamp in enumerate(true)], reorders=True)
    assert {one.item for one in found if one.is_outlier} == set(off)
    assert all(one.at == true[one.item] for one in found if one.item not in off)
    assert all(abs(one.at - true[one.item]) <= 4 * FRAME for one in found)


@pytest.mark.parametrize(
    ("others", "begin", "first"),
    [
        ([3000], None, 0),
        ([3000, 6000], 0, 0),
        ([9000, 3000, 6000], 0, 0),
        ([9000, 3000, 6000], None, 0),
        ([-6000, -3000, 9000], 0, 0),  # shown before the key frame, decoded after it
        (
            [10_009_000, 10_003_000, 10_006_000],
            0,
            10_000_000,
        ),  # FFmpeg has moved the others to the camera's clock
        ([0, 3000], 0, -3000),  # two cannot be shown at once
        ([], 0, 0),
        ([], None, 0),
    ],
)
def test_the_first_picture_is_given_the_time_that_the_others_leave_to_it(
    others: list[int], begin: int | None, first: int
) -> None:
    assert infer_first_pts(others, frame=FRAME, begin=begin) == first
