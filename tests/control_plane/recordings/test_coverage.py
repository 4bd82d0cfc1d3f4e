"""Gaps of a track and the reasons reported for them: what overlaps, and how much work many of them are."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from control_plane.recordings.coverage import SHORTEST_GAP_US, UncoveredSpan, find_uncovered
from control_plane.recordings.gap_reasons import InferredReason

S = 1_000_000
MISSING = InferredReason.UNREPORTED


def reported(*stretches: tuple[int, int]) -> list[UncoveredSpan]:
    return [UncoveredSpan(from_us, to_us, f"reason {n}") for n, (from_us, to_us) in enumerate(stretches)]


def test_where_two_reports_overlap_the_earlier_one_counts() -> None:
    found = find_uncovered([(0, S), (9 * S, 10 * S)], reported((0, 4 * S), (2 * S, 20 * S)), 10 * S, MISSING)
    assert [(one.from_us // S, one.to_us // S, one.reason) for one in found] == [
        (1, 4, "reason 0"),
        (4, 9, "reason 1"),
    ]


times = st.integers(0, 400).map(lambda tenths: tenths * SHORTEST_GAP_US)
stretch = st.tuples(times, times).map(sorted).map(tuple)


@given(st.lists(stretch, max_size=12), st.lists(stretch, max_size=12))
def test_gaps_are_what_is_not_covered_each_instant_with_the_first_reason_that_names_it(
    covered: Sequence[tuple[int, int]], stretches: Sequence[tuple[int, int]]
) -> None:
    gaps = reported(*stretches)
    found = find_uncovered(sorted(covered), gaps, 400 * SHORTEST_GAP_US, MISSING)
    assert all(earlier.to_us <= later.from_us for earlier, later in pairwise(found))
    for at_us in range(SHORTEST_GAP_US // 2, 400 * SHORTEST_GAP_US, SHORTEST_GAP_US):
        shown = any(from_us <= at_us < to_us for from_us, to_us in covered)
        inside = [one for one in found if one.from_us <= at_us < one.to_us]
        assert len(inside) == (not shown)
        named = [gap for gap in gaps if gap.from_us <= at_us < gap.to_us]
        if inside and named:
            assert inside[0].reason == min(named, key=lambda gap: (gap.from_us, gap.to_us)).reason


def test_the_work_grows_with_gaps_and_reports_and_not_with_their_product() -> None:
    """An agent decides both numbers: 10,000 reports for 10,000 gaps took minutes."""

    def calls(count: int) -> int:
        covered = [(n * 2 * S, (n * 2 + 1) * S) for n in range(count)]
        gaps = reported(*[((n * 2 + 1) * S, (n * 2 + 2) * S) for n in range(count)])
        made = 0

        def counted(frame: Any, event: str, argument: Any) -> None:
            nonlocal made
            made += event == "c_call"

        before = sys.getprofile()
        sys.setprofile(counted)
        try:
            find_uncovered(covered, gaps, 2 * count * S, MISSING)
        finally:
            sys.setprofile(before)
        return made

    assert calls(800) < 2.5 * calls(400)
