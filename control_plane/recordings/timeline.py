"""Dates the fragments of a class, computes their playlist times, and finds what is missing; pure.

Two times, both in integer microseconds from the first picture of the class over all tracks: *class time* is aligned UTC,
the same instant on all tracks; *playlist time* is the time of a player of one track. They agree at the start of each run
and drift apart within it by the rate of the camera's clock, so each fragment has both.

Source: `ClockEstimate` for dating; RFC 8216 for playlist time.
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
"""Fragments whose media times are this close (10 ms) follow each other without a gap."""


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """The facts of one committed segment that dating needs. `missing`: the reason if it cannot be shown, else empty."""

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
    """The segments and gaps of one track."""

    id: UUID
    segments: Sequence[SegmentFacts] = ()
    gaps: Sequence[GapFacts] = ()


@dataclass(slots=True)
class PlacedFragment:
    """One fragment with its times.

    `class_us` and `duration_us` are class time, `playlist_us` and `extinf_us` playlist time. `discontinuity`: it starts
    another run than the fragment before it. `missing`: it keeps its position, but has no picture.
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
    """A stretch of the playlist in place of a gap, so that later fragments keep their positions."""

    playlist_us: int
    extinf_us: int
    class_us: int


@dataclass(frozen=True, slots=True)
class TrackTimeline:
    """The timeline of one track: the entries of its playlist in order, and its gaps."""

    id: UUID
    entries: list[PlacedFragment | Filler] = field(default_factory=list)
    uncovered: list[UncoveredSpan] = field(default_factory=list)

    @property
    def placed(self) -> list[PlacedFragment]:
        """The fragments, without fillers."""
        return [entry for entry in self.entries if isinstance(entry, PlacedFragment)]


@dataclass(frozen=True, slots=True)
class ClassTimeline:
    """The timeline of a class. `start_at` is the instant of class time 0; None: there is no picture."""

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
    """Builds the timeline of a class.

    Args:
        missing: the reason of gaps that no agent reported: `PENDING` while footage may still arrive.
        window: the period in which the class can have taken place. Runs dated outside of it, by an agent with a wrong
            clock, are moved next to the runs before or after them in sequence, or to the start of the window.
        growing_from: the instant of class time 0 of a class that is still arriving; None: its first picture. The timeline
            of such a class only grows: later footage does not change earlier entries.
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
    timelines = {}
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
        timelines[track.id] = TrackTimeline(
            track.id,
            _replace_missing(_assign_playlist_time(placed)),
            find_uncovered(shown, [*lost, *reported], duration_us, missing),
        )
    start_at = EPOCH + timedelta(microseconds=zero_us) if firsts else None
    return ClassTimeline(start_at, duration_us, timelines)


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
    """A `ClockEstimate` in integers, for speed: an hour of class evaluates it thirty thousand times."""

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
    for run in _dated_runs(segments, span, growing=growing):
        shift_us = 0
        before: FragmentRow | None = None
        for segment, line in in_passing(run, every=8):
            for row in segment.fragments:
                if before is not None and row.pts_90k <= before.pts_90k:
                    continue  # duplicate: a recovered segment repeats a stretch of an earlier one
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
                    follows = before is not None and _is_contiguous(before, row)
                    shift_us += _join_to_previous(placed[-1], item, follows=follows)
                placed.append(item)
                before = row
    return placed


def _join_to_previous(last: PlacedFragment, item: PlacedFragment, *, follows: bool) -> int:
    """Removes an overlap or small gap between `last` and `item`; returns how far the rest of the run moves, in µs."""
    if item.class_us > last.class_us and (follows or item.class_us < last.class_us + last.duration_us):
        # At a bend of the clock line, and where a run overlaps the next one, the earlier fragment is shortened.
        last.duration_us = item.class_us - last.class_us
        return 0
    moved_us = max(0, last.class_us + last.duration_us - item.class_us)
    item.class_us += moved_us
    return moved_us


_Run = list[tuple[SegmentFacts, _ClockLine]]


def _dated_runs(
    segments: Sequence[SegmentFacts], span: tuple[int, int] | None, *, growing: bool
) -> list[_Run]:
    """Returns the runs in the order of their first pictures, each segment with the line that dates it."""
    runs: dict[tuple[UUID, int], list[SegmentFacts]] = {}
    for segment in sorted(segments, key=lambda item: item.sequence):
        runs.setdefault((segment.agent_id, segment.run), []).append(segment)
    dated = []
    for run in runs.values():
        final = next((item.clock for item in run if not item.clock.provisional), run[-1].clock)
        # While the class grows, published times must not change: the settled line is used only when it is complete.
        dated.append(
            [
                (item, _ClockLine.of(final if item.clock.provisional and not growing else item.clock))
                for item in run
            ]
        )
    if span is not None:
        dated = _realign_misdated(dated, span)
    agents_begin: dict[UUID, int] = {}
    for run_ in dated:
        agent_id = run_[0][0].agent_id
        agents_begin[agent_id] = min(_begin_us(run_), agents_begin.get(agent_id, _begin_us(run_)))
    # Within one agent the sequence number gives the order, even if its clock was set back between two runs.
    return sorted(dated, key=lambda run: (agents_begin[run[0][0].agent_id], run[0][0].sequence))


def _realign_misdated(runs: list[_Run], span: tuple[int, int]) -> list[_Run]:
    """Returns the runs of each agent; those dated outside of `span` are moved next to their neighbours in sequence."""
    ordered = sorted(runs, key=lambda run: (run[0][0].agent_id, run[0][0].sequence))
    well_dated = [span[0] <= _begin_us(run) and _end_us(run) <= span[1] for run in ordered]
    if all(well_dated):
        return runs

    def neighbour(index: int, step: int) -> int | None:
        other = index + step
        same_agent = (
            0 <= other < len(ordered) and ordered[other][0][0].agent_id == ordered[index][0][0].agent_id
        )
        return other if same_agent and well_dated[other] else None

    # Move a run to the next well-dated run; without one, to the end of the previous well-dated run.
    for step in (1, -1):
        for index in range(len(ordered))[::-step]:
            beside = neighbour(index, step)
            if well_dated[index] or beside is None:
                continue
            run = ordered[index]
            by_us = (
                _begin_us(ordered[beside]) - _end_us(run)
                if step == 1
                else _end_us(ordered[beside]) - _begin_us(run)
            )
            ordered[index], well_dated[index] = _moved(run, by_us), True
    next_us = span[0]
    for index, run in enumerate(ordered):
        if not well_dated[index]:
            ordered[index] = _moved(run, next_us - _begin_us(run))
            next_us = _end_us(ordered[index])
    return ordered


def _begin_us(run: _Run) -> int:
    segment, line = run[0]
    return line.utc_us(segment.fragments[0].pts_90k)


def _end_us(run: _Run) -> int:
    segment, line = run[-1]
    last = segment.fragments[-1]
    return line.utc_us(last.pts_90k + last.duration_90k)


def _moved(run: _Run, by_us: int) -> _Run:
    return [
        (item, _ClockLine(line.anchor_pts_90k, line.anchor_us + by_us, line.rate_ppb)) for item, line in run
    ]


def _is_contiguous(before: FragmentRow, row: FragmentRow) -> bool:
    return row.pts_90k - (before.pts_90k + before.duration_90k) <= CONTIGUOUS_TICKS


def _assign_playlist_time(placed: Sequence[PlacedFragment]) -> list[PlacedFragment | Filler]:
    """Sets the playlist time of each fragment, and returns the fragments with fillers for the gaps between them.

    Within a run a player takes times from the media, so a gap is filled to the tick. At the first fragment of a run playlist
    time returns to class time, unless it is ahead already.
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
    """Replaces each missing fragment by a filler, so that later entries keep their sequence number in the playlist."""
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
