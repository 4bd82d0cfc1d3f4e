"""Data of a class's row and page, without reading footage: state, length, and the recorded spans of each camera."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from uuid import UUID

from django.db.models import Count, F, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.dates import format_day
from control_plane.fleet.selectors import fresh_status
from control_plane.portal.agents.presenter import window_note
from control_plane.recordings.gap_reasons import InferredReason
from control_plane.recordings.models import ClassSession, ClassState, Gap, Segment, Track
from control_plane.recordings.permissions import REPLAY
from control_plane.recordings.selectors import unsettled_recordings
from shared.protocol.config import Position

Stretch = tuple[float, float]

REPLAYABLE = frozenset({ClassState.COMPLETE, ClassState.INCOMPLETE})
EDGES = frozenset({InferredReason.KEY_FRAME.value})
"""Recording begins and ends at a key frame: shown on the timeline, not counted as something missing."""
SILENT_FOR = timedelta(minutes=10)
"""After this the page says that an agent may not reconnect. Only people end the wait."""
MOST_GAPS_SHOWN = 200
"""Of one track, in its lane."""
_ORDER = [item.value for item in Position]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class. `lanes` holds, per camera in wall order, its position and its recorded spans in seconds."""

    id: UUID
    title: str
    room: str
    state: str
    start_at: datetime
    """When Record was pressed: what the title says too."""
    first_picture_at: datetime | None
    length_s: float
    lanes: list[tuple[str, list[Stretch]]]
    gap_count: int
    gap_s: float
    segment_count: int = 0
    may_replay: bool = False

    @property
    def is_replayable(self) -> bool:
        """Whether no more footage will arrive, and some has."""
        return self.state in REPLAYABLE

    @property
    def is_running(self) -> bool:
        """Whether the class can be stopped."""
        return self.state in {ClassState.REQUESTED, ClassState.RECORDING}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One agent whose footage of a class has not arrived. `is_silent`: it may never reconnect; `is_stopped`: it reported a
    stop, and continues once it is started."""

    name: str
    pending: int
    heard_at: datetime | None
    is_silent: bool
    is_stopped: bool
    note: str
    """State of the agent's upload window."""


@dataclass(frozen=True, slots=True)
class Day:
    """Classes of one day, newest first; `label` is `Today`, `Yesterday` or the date."""

    label: str
    rows: list[ClassRow]


def class_rows(
    classes: Iterable[ClassSession], *, actor: Actor, count_segments: bool = False
) -> list[ClassRow]:
    """Returns the rows of `classes` (rooms loaded) that `actor` may see, in their order."""
    found = list(classes)
    ids = [item.id for item in found]
    gaps, missing = _longest_gaps(ids), _missing(ids)
    tracks: dict[UUID, list[Track]] = defaultdict(list)
    for track in Track.objects.filter(class_session_id__in=ids):
        tracks[track.class_session_id].append(track)
    counts: dict[UUID, int] = {}
    if count_segments:
        counts = {id_: Segment.objects.filter(class_session_id=id_).count() for id_ in ids}
    asked = access.visible(actor, ClassSession, to=REPLAY).filter(pk__in=ids)
    watched = set(asked.values_list("pk", flat=True))
    return [
        _row(
            item,
            tracks[item.id],
            gaps,
            missing.get(item.id, (0, timedelta())),
            segments=counts.get(item.id, 0),
            may_replay=item.id in watched,
        )
        for item in found
    ]


def waiting(class_session: ClassSession) -> list[Waiting]:
    """Returns the agents whose footage a stopped class is waiting for."""
    long_ago = timezone.now() - SILENT_FOR
    return [
        Waiting(
            recording.agent.name,
            recording.segments_pending,
            recording.agent.last_seen_at,
            recording.agent.last_seen_at is None or recording.agent.last_seen_at < long_ago,
            recording.agent.stopped_at is not None,
            window_note(recording.agent, fresh_status(recording.agent)),
        )
        for recording in unsettled_recordings(class_session)
    ]


def by_day(rows: Iterable[ClassRow]) -> list[Day]:
    """Groups rows, which are newest first, by day in the current time zone."""
    today = timezone.localdate()
    return [
        Day(_day_label(day, today), list(of_day))
        for day, of_day in groupby(rows, key=lambda row: timezone.localdate(row.start_at))
    ]


def stretches(length_s: float, gaps: Iterable[Stretch]) -> list[Stretch]:
    """Returns `[0, length_s]` without `gaps`, which are ordered and may overlap."""
    left: list[Stretch] = []
    at_s = 0.0
    for from_s, to_s in gaps:
        if from_s > at_s:
            left.append((at_s, min(from_s, length_s)))
        at_s = max(at_s, to_s)
    if at_s < length_s:
        left.append((at_s, length_s))
    return [(from_s, to_s) for from_s, to_s in left if to_s > from_s]


def _longest_gaps(class_ids: Collection[UUID]) -> dict[UUID, list[Gap]]:
    """Returns the longest gaps of each track, in order; a lane is too narrow for more."""
    by_length = (F("to_at") - F("from_at")).desc()
    place = Window(RowNumber(), partition_by=F("track_id"), order_by=by_length)
    rows = Gap.objects.filter(class_session_id__in=class_ids).annotate(place=place)
    gaps: dict[UUID, list[Gap]] = defaultdict(list)
    for gap in rows.filter(place__lte=MOST_GAPS_SHOWN).order_by("from_at"):
        gaps[gap.track_id].append(gap)
    return gaps


def _missing(class_ids: Collection[UUID]) -> dict[UUID, tuple[int, timedelta]]:
    """Returns the number of gaps of each class, and their total length."""
    counted = Gap.objects.filter(class_session_id__in=class_ids).exclude(reason__in=EDGES).order_by()
    rows = counted.values("class_session_id").annotate(
        count=Count("pk"), length=Sum(F("to_at") - F("from_at"))
    )
    return {row["class_session_id"]: (row["count"], row["length"]) for row in rows}


def _row(
    item: ClassSession,
    tracks: list[Track],
    gaps: dict[UUID, list[Gap]],
    missing: tuple[int, timedelta],
    *,
    segments: int,
    may_replay: bool,
) -> ClassRow:
    first_at = item.started_at or item.requested_at
    end_at = item.stop_requested_at or (timezone.now() if item.is_running else first_at)
    length_s = max(0.0, (end_at - first_at).total_seconds()) if item.started_at else 0.0
    lanes = []
    for track in sorted(tracks, key=lambda track: (_ORDER.index(track.position), track.name)):
        shown = [
            ((gap.from_at - first_at).total_seconds(), (gap.to_at - first_at).total_seconds())
            for gap in gaps[track.id]
        ]
        lanes.append((track.position, stretches(length_s, shown)))
    return ClassRow(
        id=item.id,
        title=item.title,
        room=item.room.name,
        state=item.state,
        start_at=item.requested_at,
        first_picture_at=item.started_at,
        length_s=length_s,
        lanes=lanes,
        gap_count=missing[0],
        gap_s=missing[1].total_seconds(),
        segment_count=segments,
        may_replay=may_replay,
    )


def _day_label(day: date, today: date) -> str:
    days = (today - day).days
    if days in {0, 1}:
        return _("Today") if days == 0 else _("Yesterday")
    return format_day(day, today=today)
