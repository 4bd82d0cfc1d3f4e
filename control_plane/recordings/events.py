"""Events of recordings."""

from dataclasses import dataclass
from uuid import UUID

from control_plane.common.events import Event


@dataclass(frozen=True)
class ClassShredded(Event):
    """The key of a class is destroyed; subscribers delete their rows of the class. In scope."""

    class_session_id: UUID


@dataclass(frozen=True)
class StoreRetiring(Event):
    """A store is about to be retired; subscribers drop their references to it. In scope."""

    store_id: UUID
