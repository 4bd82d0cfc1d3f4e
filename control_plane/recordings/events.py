"""Events of recordings."""

from dataclasses import dataclass
from uuid import UUID

from control_plane.common.actors import Actor
from control_plane.common.events import Event, Question


@dataclass(frozen=True)
class ClassShredded(Event):
    """The key of a class is destroyed; subscribers delete their rows of the class. In scope.

    `expired`: its retention ended; what has a key and a date of its own, such as a clip, may stay. False: somebody
    destroyed the class on purpose, and everything that shows it goes.
    """

    class_session_id: UUID
    expired: bool = False


@dataclass(frozen=True)
class FootageDestroyed(Event):
    """A person destroys the footage of a class (None: of every class). In scope, in the transaction of the destruction.

    Subscribers empty the keys of their own that open any of it. For a studio that happens before the keys of the studio
    are replaced; an event for each class follows, for what takes longer.
    """

    class_session_id: UUID | None
    reason: str
    actor: Actor


@dataclass(frozen=True)
class ObjectsInUse(Question[set[str]]):
    """Which of these objects does something other than a segment still need? Asked before they are queued or deleted.

    In scope. Each answer is the part of `object_keys` that must stay. Who no longer needs an object calls
    `storage.deletion_queue.schedule_deletion` for it.
    """

    object_keys: tuple[str, ...]

    def all(self) -> set[str]:
        """Returns the objects that anybody needs."""
        return set().union(*self.answers())


@dataclass(frozen=True)
class StoreRetiring(Event):
    """A store is about to be retired; subscribers drop their references to it. In scope."""

    store_id: UUID
