"""Replays: one audit event for each, written before its first key is served.

A replay is one person watching one class, as long as no pause between two requests is longer than `REPLAY_IDLE_LIMIT`. URLs
contain no replay id: a request for a playlist or a key continues the person's current replay or begins one.
"""

from datetime import timedelta
from uuid import UUID
from zlib import crc32

from django.db import connection
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.errors import NotFound
from control_plane.common.rows import fetch_one
from control_plane.keys.vault import Purpose
from control_plane.recordings.audit_events import CLASS_REPLAYED
from control_plane.recordings.models import ClassSession, Replay
from control_plane.recordings.permissions import REPLAY

REPLAY_KEYS = Purpose("replay", REPLAY, frozenset({CLASS_REPLAYED}), audited_before=True)
REPLAY_IDLE_LIMIT = timedelta(minutes=30)
TOUCH_INTERVAL = timedelta(minutes=1)


def touch_replay(class_session: ClassSession, *, authorization: access.Authorization) -> Replay:
    """Returns the person's current replay of a class; begins and audits one if there is none.

    Args:
        authorization: of the person, to replay this class; `access` is not asked a second time.

    Raises:
        NotAuthorized: the authorization is for something else, or of another transaction.
    """
    actor = authorization.actor
    authorization.confirm(actor, REPLAY, class_session)
    if actor.id is None:
        raise NotFound
    replay = _current_replay(class_session, actor.id)
    if replay is None:
        # The players of three views start at the same instant: the second and third find the replay of the first.
        _lock(class_session.id, actor.id)
        replay = _current_replay(class_session, actor.id)
    now = timezone.now()
    if replay is None:
        replay = Replay(
            studio_id=class_session.studio_id, class_session=class_session, viewer_id=actor.id, seen_at=now
        )
        entry = record_for(
            CLASS_REPLAYED,
            class_session,
            actor=actor,
            details={"replay": str(replay.id), **_access_details(authorization.reason)},
        )
        replay.entry_id = entry.id
        replay.save(force_insert=True)
    elif replay.seen_at < now - TOUCH_INTERVAL:
        Replay.objects.filter(pk=replay.pk).update(seen_at=now)
    return replay


def _access_details(reason: access.Reason) -> dict[str, str]:
    """Returns the basis of the person's access now; it may change later."""
    return {"right": str(reason.code), "role": reason.role.value if reason.role else ""}


def _current_replay(class_session: ClassSession, viewer_id: UUID) -> Replay | None:
    return fetch_one(
        Replay,
        "this.class_session_id = %s AND this.viewer_id = %s AND this.seen_at > %s AND this.entry_id IS NOT NULL",
        [class_session.pk, viewer_id, timezone.now() - REPLAY_IDLE_LIMIT],
        order="this.seen_at DESC",
    )


def _lock(class_session_id: UUID, viewer_id: UUID) -> None:
    number = crc32(class_session_id.bytes + viewer_id.bytes)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [0x5EE, number - (1 << 31)])
