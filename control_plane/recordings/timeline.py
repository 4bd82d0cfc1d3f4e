"""When every fragment of a class happened, where it stands in its playlist, and what is missing; pure.

Two times, both integer microseconds from the class's first picture over all tracks: *class time* is aligned UTC and the
same instant on all tracks; *playlist time* is what a player of one track counts. They agree at the start of each run
and drift apart by the rate of the camera's clock within it, so each fragment states both.

Source: `ClockEstimate` says how media is dated; RFC 8216 how playlist time adds up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from control_plane.common.turns import in_passing
from control_plane.recordings.coverage import SHORTEST_GAP_US, UncoveredSpan, find_uncovered, merge_adjacent
from control_plane.recordings.fragments import FragmentRow
from control_plane.recordings.gap_reasons import InferredReason
from shared.kernel.timebase import rescale, ticks_to_us
from shared.protocol.media import ClockEstimate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CONTIGUOUS_TICKS = 900
"""Fragments whose media times are this close (10 ms) follow each other without a hole."""


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """One committed segment, as far as dating needs it. `missing`: why nothing of it can be shown; empty: it can."""

    id: UUID
    agent_id: UUID
    sequence: int
    run: int
    init_sha256: str
    clock: ClockEstimate
    fragments: tuple[FragmentRow, ...]
    missing: str = ""


@dataclass(frozen=True, slots=True)
class GapFacts:
    """A reported stretch without footage, in UTC."""

    from_at: datetime
    to_at: datetime
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """All there is of one track."""

    id: UUID
    segments: Sequence[SegmentFacts] = ()
    gaps: Sequence[GapFacts] = ()


@dataclass(slots=True)
class PlacedFragment:
    """One fragment in its place.

    `class_us` and `duration_us` are class time, `playlist_us` and `extinf_us` playlist time. `discontinuity`: it begins
    another run than the fragment before it. `missing`: it has its place, and no picture.
    """

    segment_id: UUID
    init_sha256: str
    row: FragmentRow
    class_us: int
    duration_us: int
    missing: str = ""
    discontinuity: bool = False
    playlist_us: int = 0
    extinf_us: int = 0


@dataclass(frozen=True, slots=True)
class Filler:
    """A stretch of the playlist that stands for a hole, so that later fragments keep their places."""

    playlist_us: int
    extinf_us: int
    class_us: int


@dataclass(frozen=True, slots=True)
class TrackTimeline:
    """One track: what its playlist holds, in order, and what is missing of the class."""

    id: UUID
    entries: list[PlacedFragment | Filler] = field(default_factory=list)
    uncovered: list[UncoveredSpan] = field(default_factory=list)

    @property
    def placed(self) -> list[PlacedFragment]:
        """The fragments alone."""
        return [entry for entry in self.entries if isinstance(entry, PlacedFragment)]


@dataclass(frozen=True, slots=True)
class ClassTimeline:
    """The whole class. `start_at` is the instant of class time 0; None where there is no picture at all."""

    start_at: datetime | None
    duration_us: int
    tracks: dict[UUID, TrackTimeline]


def build_timeline(
    tracks: Sequence[TrackFacts],
    *,
    missing: InferredReason = InferredReason.UNREPORTED,
    window: tuple[datetime, datetime] | None = None,
    growing_from: datetime | None = None,
) -> ClassTimeline:
    """Returns when everything of a class happened.

    Args:
        missing: the reason of holes that no agent reported: `PENDING` while footage may still arrive.
        window: when the class can have been. Runs dated elsewhere, by a box whose clock was not set, are put beside
            the runs that they were recorded beside, or to the beginning of the window.
        growing_from: the instant of class time 0 of a class that still arrives; None: its first picture. Of such a
            class nothing that was laid out once comes out otherwise when more has arrived.
    """
    span = (_epoch_us(window[0]), _epoch_us(window[1])) if window else None
    dated = {
        track.id: _place_fragments(track.segments, span, growing=growing_from is not None) for track in tracks
    }
    firsts = [placed[0].class_us for placed in dated.values() if placed]
    zero_us = min(firsts, default=0) if growing_from is None else _epoch_us(growing_from)
    end_us = max(
        (item.class_us + item.duration_us for placed in dated.values() for item in placed), default=0
    )
    duration_us = end_us - zero_us if firsts else 0
    laid = {}
    for track in tracks:
        placed = dated[track.id]
        for item in placed:
            item.class_us -= zero_us
        reported = [
            UncoveredSpan(
                _epoch_us(gap.from_at) - zero_us, _epoch_us(gap.to_at) - zero_us, gap.reason, gap.detail
            )
            for gap in track.gaps
        ]
        shown = [_span(item) for item in placed if not item.missing]
        lost = merge_adjacent(UncoveredSpan(*_span(item), item.missing) for item in placed if item.missing)
        laid[track.id] = TrackTimeline(
            track.id,
            _replace_missing(_assign_playlist_time(placed)),
            find_uncovered(shown, [*lost, *reported], duration_us, missing),
        )
    start_at = EPOCH + timedelta(microseconds=zero_us) if firsts else None
    return ClassTimeline(start_at, duration_us, laid)


def _span(item: PlacedFragment) -> tuple[int, int]:
    return item.class_us, item.class_us + item.duration_us


def contiguous_prefix(segments: Iterable[SegmentFacts]) -> list[SegmentFacts]:
    """Returns each agent's segments up to the first missing sequence number.

    A playlist of a class that is still arriving may only grow at its end, but the newest segments may arrive first.
    """
    kept: list[SegmentFacts] = []
    for segment in sorted(segments, key=lambda item: (item.agent_id, item.sequence)):
        follows = kept and kept[-1].agent_id == segment.agent_id
        if follows and segment.sequence != kept[-1].sequence + 1:
            continue
        kept.append(segment)
    return kept


@dataclass(frozen=True, slots=True)
class _ClockLine:
    """A `ClockEstimate` in integers, because an hour's class asks it thirty thousand times."""

    anchor_pts_90k: int
    anchor_us: int
    rate_ppb: int

    @classmethod
    def of(cls, clock: ClockEstimate) -> "_ClockLine":
        return cls(clock.anchor_pts_90k, _epoch_us(clock.anchor_at), clock.rate_ppb)

    def utc_us(self, pts_90k: int) -> int:
        elapsed_us = ticks_to_us(pts_90k - self.anchor_pts_90k)
        slewed_us = rescale(elapsed_us, self.rate_ppb, 1_000_000_000) if self.rate_ppb else 0
        return self.anchor_us + elapsed_us + slewed_us


def _epoch_us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _place_fragments(
    segments: Sequence[SegmentFacts], span: tuple[int, int] | None, *, growing: bool
) -> list[PlacedFragment]:
    """Returns the fragments in order, with UTC microseconds as class time: rising, never overlapping."""
    placed: list[PlacedFragment] = []
    for run in _runs(segments, span, growing=growing):
        shift_us = 0
        before: FragmentRow | None = None
        for segment, line in in_passing(run, every=8):
            for row in segment.fragments:
                if before is not None and row.pts_90k <= before.pts_90k:
                    continue  # the same stretch twice: a segment that was recovered and one that was sealed before
                utc_us = line.utc_us(row.pts_90k)
                item = PlacedFragment(
                    segment.id,
                    segment.init_sha256,
                    row,
                    utc_us + shift_us,
                    line.utc_us(row.pts_90k + row.duration_90k) - utc_us,
                    segment.missing,
                    discontinuity=before is None and bool(placed),
                )
                if placed:
                    follows = before is not None and _follows(before, row)
                    shift_us += _join_to_previous(placed[-1], item, follows=follows)
                placed.append(item)
                before = row
    return placed


def _join_to_previous(last: PlacedFragment, item: PlacedFragment, *, follows: bool) -> int:
    """Makes `last` and `item` neighbours without overlap; returns by how much the rest of the run moves, in µs."""
    if item.class_us > last.class_us and (follows or item.class_us < last.class_us + last.duration_us):
        # Where the line of the clock bends, and where one run ends into the next, the earlier picture gives way.
        last.duration_us = item.class_us - last.class_us
        return 0
    moved_us = max(0, last.class_us + last.duration_us - item.class_us)
    item.class_us += moved_us
    return moved_us


_Run = list[tuple[SegmentFacts, _ClockLine]]


def _runs(segments: Sequence[SegmentFacts], span: tuple[int, int] | None, *, growing: bool) -> list[_Run]:
    """Returns the runs in the order of their first pictures, each segment with the line that dates it."""
    runs: dict[tuple[UUID, int], list[SegmentFacts]] = {}
    for segment in sorted(segments, key=lambda item: item.sequence):
        runs.setdefault((segment.agent_id, segment.run), []).append(segment)
    lined = []
    for run in runs.values():
        final = next((item.clock for item in run if not item.clock.provisional), run[-1].clock)
        # What is shown of a run that still grows stays where it is: a better line is for when all of it is there.
        lined.append(
            [
                (item, _ClockLine.of(final if item.clock.provisional and not growing else item.clock))
                for item in run
            ]
        )
    if span is not None:
        lined = _realign_misdated(lined, span)
    agents_begin: dict[UUID, int] = {}
    for run_ in lined:
        agent_id = run_[0][0].agent_id
        agents_begin[agent_id] = min(_begin_us(run_), agents_begin.get(agent_id, _begin_us(run_)))
    # Within one box the sequence is the truth about order, even where a clock was set back between two runs.
    return sorted(lined, key=lambda run: (agents_begin[run[0][0].agent_id], run[0][0].sequence))


def _realign_misdated(runs: list[_Run], span: tuple[int, int]) -> list[_Run]:
    """Returns the runs of each box, those that are dated outside of `span` moved beside their neighbours in sequence."""
    ordered = sorted(runs, key=lambda run: (run[0][0].agent_id, run[0][0].sequence))
    at_home = [span[0] <= _begin_us(run) and _end_us(run) <= span[1] for run in ordered]
    if all(at_home):
        return runs

    def neighbour(index: int, step: int) -> int | None:
        other = index + step
        same_box = (
            0 <= other < len(ordered) and ordered[other][0][0].agent_id == ordered[index][0][0].agent_id
        )
        return other if same_box and at_home[other] else None

    # Up to the next run that is dated well; what has none behind it goes on where the one before it ended.
    for step in (1, -1):
        for index in range(len(ordered))[::-step]:
            beside = neighbour(index, step)
            if at_home[index] or beside is None:
                continue
            run = ordered[index]
            by_us = (
                _begin_us(ordered[beside]) - _end_us(run)
                if step == 1
                else _end_us(ordered[beside]) - _begin_us(run)
            )
            ordered[index], at_home[index] = _shifted(run, by_us), True
    next_us = span[0]
    for index, run in enumerate(ordered):
        if not at_home[index]:
            ordered[index] = _shifted(run, next_us - _begin_us(run))
            next_us = _end_us(ordered[index])
    return ordered


def _begin_us(run: _Run) -> int:
    segment, line = run[0]
    return line.utc_us(segment.fragments[0].pts_90k)


def _end_us(run: _Run) -> int:
    segment, line = run[-1]
    last = segment.fragments[-1]
    return line.utc_us(last.pts_90k + last.duration_90k)


def _shifted(run: _Run, by_us: int) -> _Run:
    return [
        (item, _ClockLine(line.anchor_pts_90k, line.anchor_us + by_us, line.rate_ppb)) for item, line in run
    ]


def _follows(before: FragmentRow, row: FragmentRow) -> bool:
    return row.pts_90k - (before.pts_90k + before.duration_90k) <= CONTIGUOUS_TICKS


def _assign_playlist_time(placed: Sequence[PlacedFragment]) -> list[PlacedFragment | Filler]:
    """Gives each fragment its playlist time, and returns them with fillers for the holes between.

    A player takes the places within a run from the media itself, so there a hole is filled to the tick; at the first
    fragment of a run playlist time is brought back to class time, as far as it is not ahead already.
    """
    entries: list[PlacedFragment | Filler] = []
    run_us = run_pts = 0
    last: PlacedFragment | None = None
    for item in in_passing(placed):
        end_us = last.playlist_us + ticks_to_us(last.row.duration_90k) if last else 0
        if last is None or item.discontinuity:
            run_us = item.class_us if item.class_us - end_us >= SHORTEST_GAP_US else end_us
            run_pts = item.row.pts_90k
        item.playlist_us = run_us + ticks_to_us(item.row.pts_90k - run_pts)
        item.extinf_us = ticks_to_us(item.row.duration_90k)
        gap_us = item.playlist_us - end_us
        if last is None or gap_us >= SHORTEST_GAP_US:
            if gap_us > 0:
                entries.append(Filler(end_us, gap_us, _class_end(last)))
        else:
            last.extinf_us = item.playlist_us - last.playlist_us
        entries.append(item)
        last = item
    return entries


def _replace_missing(entries: Sequence[PlacedFragment | Filler]) -> list[PlacedFragment | Filler]:
    """Returns the entries, a filler in the place of each fragment that is missing: what was told of a class that still
    arrives keeps its number in the playlist."""
    shown: list[PlacedFragment | Filler] = []
    broken = False
    for item in entries:
        if isinstance(item, PlacedFragment) and item.missing:
            broken |= item.discontinuity
            shown.append(Filler(item.playlist_us, item.extinf_us, item.class_us))
            continue
        if isinstance(item, PlacedFragment):
            item.discontinuity |= broken
            broken = False
        shown.append(item)
    return shown


def _class_end(last: PlacedFragment | None) -> int:
    return last.class_us + last.duration_us if last else 0
