"""Checks the bounds and cameras that a person chose for a link or a clip."""

from collections.abc import Collection
from uuid import UUID

from control_plane.common.errors import BadRequest
from control_plane.recordings.models import ClassSession, Track
from control_plane.recordings.part import MICROSECOND, Part, cut_timeline
from control_plane.recordings.selectors import class_timeline
from control_plane.recordings.timeline import ClassTimeline


def choose_part(
    class_session: ClassSession, track_ids: Collection[UUID], from_s: float | None, to_s: float | None
) -> tuple[Part, ClassTimeline]:
    """Returns the part, and what it shows.

    Args:
        track_ids: the cameras; empty: all.
        from_s, to_s: the bounds in seconds of class time; None: the start, the end.

    Raises:
        BadRequest: a camera is of another class, the bounds are not within the class, or nothing lies between them.
    """
    own = frozenset(Track.objects.filter(class_session=class_session).values_list("id", flat=True))
    if not set(track_ids) <= own:
        raise BadRequest("A chosen camera is not in this class. Reload the page.")
    timeline = class_timeline(class_session)
    if timeline.start_at is None:
        raise BadRequest("There is nothing to show: no picture of this class has arrived.")
    length_s = timeline.duration_us / 1_000_000
    if not (0 <= (from_s or 0) < (length_s if to_s is None else to_s) <= length_s + 1):
        raise BadRequest(f"The part must begin before it ends, within the {length_s:.0f} s of the class.")
    part = Part(
        frozenset(track_ids) or own,
        None if from_s is None else timeline.start_at + round(from_s * 1_000_000) * MICROSECOND,
        None if to_s is None else timeline.start_at + round(to_s * 1_000_000) * MICROSECOND,
    )
    shown = cut_timeline(timeline, part)
    if shown.start_at is None:
        raise BadRequest("The part is too short: make it a few seconds longer, or choose other cameras.")
    return part, shown
