"""Ends the retention of clips: at the date that their maker chose, or earlier where a rule for clips says so.

A hold on the class, or on the studio, keeps its clips too: they stop playing at their date, but are not destroyed.
"""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from control_plane.clips.endings import expire_clip
from control_plane.clips.models import Clip
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.recordings.presence import classes_with_minors
from control_plane.recordings.services import lock_class
from control_plane.retention.evaluator import CLIPS, Item, Verdict, evaluate
from control_plane.retention.models import RetentionRun, RunState
from control_plane.retention.planning import database_now, read_policy
from control_plane.tenancy.models import Studio

SYSTEM = Actor.system("retention.clips")


def plan_clips(studio: Studio, *, clip_id: UUID | None = None, now: datetime | None = None) -> list[Verdict]:
    """Returns the verdict on each clip of the studio in scope.

    Args:
        clip_id: None: all clips.
        now: None: the database's time.
    """
    rows = Clip.objects.exclude(wrapped_key=b"").order_by("id")
    if clip_id is not None:
        rows = rows.filter(pk=clip_id)
    clips = list(rows.select_related("class_session"))
    minors = classes_with_minors({clip.class_session_id for clip in clips})
    items = [
        Item(
            id=clip.id,
            class_id=clip.class_session_id,
            room_id=clip.class_session.room_id,
            ended_at=clip.created_at,
            minors=clip.class_session_id in minors,
            kind=CLIPS,
            class_type_id=clip.class_session.class_type_id,
            kept_until=clip.expires_at,
        )
        for clip in clips
    ]
    return list(evaluate(read_policy(), items, now=now or database_now(), zone=ZoneInfo(studio.time_zone)))


def expire_due_clips(studio_id: UUID) -> int:
    """Ends the retention of the clips that are due; returns how many. Each is a transaction of its own.

    While a run of the studio waits for confirmation, because of its amount or the clock, nothing is ended by date.
    """
    with studio_scope(studio_id):
        if RetentionRun.objects.filter(state=RunState.WAITING).exists():
            return 0
        due = [one.item for one in plan_clips(Studio.objects.get(pk=studio_id)) if one.is_due]
    ended = 0
    for item in due:
        with studio_scope(studio_id):
            # Asked again under the lock: a hold or a rule may have changed since.
            lock_class(item.class_id)
            for verdict in plan_clips(Studio.objects.get(pk=studio_id), clip_id=item.id):
                if verdict.is_due:
                    expire_clip(
                        Clip.objects.get(pk=item.id), reason="The retention of this clip ended.", actor=SYSTEM
                    )
                    ended += 1
    return ended
