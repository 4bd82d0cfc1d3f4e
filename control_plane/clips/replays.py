"""Replays of clips: one audit event for each, written before its first key; as `recordings.playback.view_sessions`."""

from datetime import timedelta

from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.clips.audit_events import CLIP_REPLAYED
from control_plane.clips.models import Clip, ClipReplay
from control_plane.common.errors import NotFound
from control_plane.keys.vault import Purpose
from control_plane.recordings.permissions import REPLAY

CLIP_KEYS = Purpose("clip replay", REPLAY, frozenset({CLIP_REPLAYED}), audited_before=True)
REPLAY_IDLE_LIMIT = timedelta(minutes=30)
TOUCH_INTERVAL = timedelta(minutes=1)


def touch_clip_replay(clip: Clip, *, authorization: access.Authorization) -> ClipReplay:
    """Returns the person's current replay of a clip; begins and audits one if there is none.

    Raises:
        NotAuthorized: the authorization is for something else, or of another transaction.
    """
    actor, now = authorization.actor, timezone.now()
    authorization.confirm(actor, REPLAY, clip)
    if actor.id is None:
        raise NotFound
    # Locked for the first request only: the players of three views start at the same instant.
    replay = _current(clip, authorization) or _current(
        Clip.objects.select_for_update(of=("self",), no_key=True).get(pk=clip.pk), authorization
    )
    if replay is None:
        entry = record_for(
            CLIP_REPLAYED,
            clip.class_session,
            actor=actor,
            details={
                "clip": str(clip.id),
                "right": str(authorization.reason.code),
                "role": authorization.reason.role.value if authorization.reason.role else "",
            },
        )
        replay = ClipReplay(
            studio_id=clip.studio_id, clip=clip, viewer_id=actor.id, entry_id=entry.id, seen_at=now
        )
        replay.save(force_insert=True)
    elif replay.seen_at < now - TOUCH_INTERVAL:
        ClipReplay.objects.filter(pk=replay.pk).update(seen_at=now)
    return replay


def _current(clip: Clip, authorization: access.Authorization) -> ClipReplay | None:
    since = timezone.now() - REPLAY_IDLE_LIMIT
    rows = ClipReplay.objects.filter(clip=clip, viewer_id=authorization.actor.id, seen_at__gt=since)
    found: ClipReplay | None = rows.order_by("-seen_at").first()
    return found
