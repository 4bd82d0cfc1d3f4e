"""Events of clips."""

from dataclasses import dataclass
from uuid import UUID

from control_plane.common.events import Event


@dataclass(frozen=True)
class ClipDestroyed(Event):
    """The key of a clip is destroyed; subscribers delete their rows about it. In scope, in the same transaction."""

    clip_id: UUID
