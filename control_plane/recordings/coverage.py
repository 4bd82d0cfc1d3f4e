"""What is missing of a track, and why; pure. Times are integer microseconds of class time (`timeline`)."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from control_plane.recordings.reasons import InferredReason

SHORTEST_GAP_US = 100_000
"""A hole shorter than this (three frames) is a hiccup that a player bridges, no gap."""
LONGEST_KEY_FRAME_WAIT_US = 2_500_000
"""A fragment is 2 s at most: so long may a track begin later, or end earlier, than another for its key frames."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of class time without a picture on this track, and why."""

    from_us: int
    to_us: int
    reason: str
    detail: str = ""


def joined(holes: Iterable[Hole]) -> list[Hole]:
    """Returns holes that come in order, neighbours of one reason as one."""
    found: list[Hole] = []
    for hole in holes:
        last = found[-1] if found else None
        if last and last.reason == hole.reason and hole.from_us - last.to_us < SHORTEST_GAP_US:
            found[-1] = replace(last, to_us=hole.to_us)
        else:
            found.append(hole)
    return found


def find_holes(
    covered: Sequence[tuple[int, int]], reported: Sequence[Hole], duration_us: int, missing: InferredReason
) -> list[Hole]:
    """Returns what of `[0, duration_us]` has no picture, each stretch with its reason.

    Args:
        covered: what has one, in order, in microseconds of class time.
        reported: why some stretches may have none.
        missing: the reason where nothing was reported.
    """
    holes: list[Hole] = []
    until_us = 0
    ordered = _disjoint(reported)
    ends_us = [gap.to_us for gap in ordered]
    for from_us, to_us in [*covered, (duration_us, duration_us)]:
        if from_us - until_us >= SHORTEST_GAP_US:
            # What is still to come may yet fill the end; a track without a picture waited for no key frame.
            at_end = from_us == duration_us and missing is not InferredReason.PENDING
            at_edge = bool(covered) and (until_us == 0 or at_end)
            within = range(bisect_right(ends_us, until_us), len(ordered))
            reasons = (ordered[index] for index in within)
            holes += _explained(until_us, from_us, reasons, missing, at_edge=at_edge)
        until_us = max(until_us, to_us)
    return holes


def _disjoint(reported: Sequence[Hole]) -> list[Hole]:
    """Returns reported stretches in order without overlaps: where several speak of one instant, the earliest counts.

    Sorted once, so that thousands of them cost each hole a search and not a walk through all.
    """
    kept: list[Hole] = []
    for gap in sorted(reported, key=lambda gap: (gap.from_us, gap.to_us)):
        from_us = max(gap.from_us, kept[-1].to_us) if kept else gap.from_us
        if gap.to_us > from_us:
            kept.append(replace(gap, from_us=from_us))
    return kept


def _explained(
    from_us: int, to_us: int, reported: Iterable[Hole], missing: InferredReason, *, at_edge: bool
) -> list[Hole]:
    """Returns one hole cut into stretches, each with the reason that was reported for it, or one of ours.

    Args:
        reported: in order, without overlaps, and none that ends before the hole begins.
    """
    pieces: list[Hole] = []
    at_us = from_us
    for gap in reported:
        if gap.from_us >= to_us:
            break
        start_us, end_us = max(gap.from_us, at_us), min(gap.to_us, to_us)
        if start_us - at_us >= SHORTEST_GAP_US:
            pieces.append(_inferred(at_us, start_us, missing, known=at_edge or bool(pieces)))
        else:
            start_us = at_us
        pieces.append(Hole(start_us, end_us, gap.reason, gap.detail))
        at_us = end_us
    if at_us < to_us:
        if pieces and to_us - at_us < SHORTEST_GAP_US:
            pieces[-1] = Hole(pieces[-1].from_us, to_us, pieces[-1].reason, pieces[-1].detail)
        else:
            pieces.append(_inferred(at_us, to_us, missing, known=at_edge or bool(pieces)))
    return pieces


def _inferred(from_us: int, to_us: int, missing: InferredReason, *, known: bool) -> Hole:
    # At the edges of the class, and next to a hole that was explained, a short rest is the wait for a key frame.
    short = to_us - from_us <= LONGEST_KEY_FRAME_WAIT_US
    return Hole(from_us, to_us, (InferredReason.KEY_FRAME if known and short else missing).value)
