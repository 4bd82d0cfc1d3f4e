"""Finds the stretches of a track without footage and their reasons; pure. Times are microseconds of class time."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from control_plane.recordings.gap_reasons import InferredReason

SHORTEST_GAP_US = 100_000
"""A shorter stretch (three frames) is not a gap: the player bridges it."""
LONGEST_KEY_FRAME_WAIT_US = 2_500_000
"""A fragment is 2 s at most, so a track may start this much later, or end earlier, than another without a key frame."""


@dataclass(frozen=True, slots=True)
class UncoveredSpan:
    """A stretch of class time without a picture on this track, with its reason."""

    from_us: int
    to_us: int
    reason: str
    detail: str = ""


def merge_adjacent(uncovered: Iterable[UncoveredSpan]) -> list[UncoveredSpan]:
    """Merges ordered spans whose distance is not a gap and whose reason is the same."""
    found: list[UncoveredSpan] = []
    for span in uncovered:
        last = found[-1] if found else None
        if last and last.reason == span.reason and span.from_us - last.to_us < SHORTEST_GAP_US:
            found[-1] = replace(last, to_us=span.to_us)
        else:
            found.append(span)
    return found


def find_uncovered(
    covered: Sequence[tuple[int, int]],
    reported: Sequence[UncoveredSpan],
    duration_us: int,
    missing: InferredReason,
) -> list[UncoveredSpan]:
    """Returns the stretches of `[0, duration_us]` without a picture, each with its reason.

    Args:
        covered: the stretches with a picture, in order.
        reported: gaps that agents reported, in any order; they may overlap.
        missing: the reason where no gap was reported.
    """
    uncovered: list[UncoveredSpan] = []
    until_us = 0
    ordered = _disjoint(reported)
    ends_us = [gap.to_us for gap in ordered]
    for from_us, to_us in [*covered, (duration_us, duration_us)]:
        if from_us - until_us >= SHORTEST_GAP_US:
            # Later footage may still fill the end of a growing class, and a track without a picture never waited for a key
            # frame: in both cases a short rest is not attributed to key frames.
            at_end = from_us == duration_us and missing is not InferredReason.PENDING
            at_edge = bool(covered) and (until_us == 0 or at_end)
            within = range(bisect_right(ends_us, until_us), len(ordered))
            reasons = (ordered[index] for index in within)
            uncovered += _attribute_reasons(until_us, from_us, reasons, missing, at_edge=at_edge)
        until_us = max(until_us, to_us)
    return uncovered


def _disjoint(reported: Sequence[UncoveredSpan]) -> list[UncoveredSpan]:
    """Returns reported gaps in order without overlaps; of overlapping ones the earliest wins.

    Sorting once lets each uncovered span use binary search: an agent may report thousands of gaps.
    """
    kept: list[UncoveredSpan] = []
    for gap in sorted(reported, key=lambda gap: (gap.from_us, gap.to_us)):
        from_us = max(gap.from_us, kept[-1].to_us) if kept else gap.from_us
        if gap.to_us > from_us:
            kept.append(replace(gap, from_us=from_us))
    return kept


def _attribute_reasons(
    from_us: int, to_us: int, reported: Iterable[UncoveredSpan], missing: InferredReason, *, at_edge: bool
) -> list[UncoveredSpan]:
    """Splits one uncovered span by the reported gaps; the rest gets an inferred reason.

    Args:
        reported: in order, without overlaps, none that ends before the span begins.
    """
    pieces: list[UncoveredSpan] = []
    at_us = from_us
    for gap in reported:
        if gap.from_us >= to_us:
            break
        start_us, end_us = max(gap.from_us, at_us), min(gap.to_us, to_us)
        if start_us - at_us >= SHORTEST_GAP_US:
            pieces.append(_inferred_span(at_us, start_us, missing, known=at_edge or bool(pieces)))
        else:
            start_us = at_us
        pieces.append(UncoveredSpan(start_us, end_us, gap.reason, gap.detail))
        at_us = end_us
    if at_us < to_us:
        if pieces and to_us - at_us < SHORTEST_GAP_US:
            pieces[-1] = UncoveredSpan(pieces[-1].from_us, to_us, pieces[-1].reason, pieces[-1].detail)
        else:
            pieces.append(_inferred_span(at_us, to_us, missing, known=at_edge or bool(pieces)))
    return pieces


def _inferred_span(from_us: int, to_us: int, missing: InferredReason, *, known: bool) -> UncoveredSpan:
    # At the edges of the class and next to an attributed gap, a short rest is the wait for the next key frame.
    short = to_us - from_us <= LONGEST_KEY_FRAME_WAIT_US
    return UncoveredSpan(from_us, to_us, (InferredReason.KEY_FRAME if known and short else missing).value)
