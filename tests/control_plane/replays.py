"""Begins a replay as the playback views do, for tests of what it leaves behind."""

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.recordings.models import ClassSession, Replay
from control_plane.recordings.permissions import REPLAY
from control_plane.recordings.playback.view_sessions import touch_replay


def begin_replay(class_session: ClassSession, actor: Actor) -> Replay:
    """Returns the person's replay of a class; call it inside the scope of the studio."""
    authorization = access.require(actor, REPLAY, class_session)
    return touch_replay(class_session, authorization=authorization)
