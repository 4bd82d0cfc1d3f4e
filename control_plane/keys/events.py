"""Events of the keys of studios."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from control_plane.common.events import Event, Question

if TYPE_CHECKING:
    from control_plane.keys.models import StudioKey


@dataclass(frozen=True)
class StudioKeyRotated(Event):
    """The studio in scope has a new generation of keys. Published in the transaction of the rotation."""

    studio_id: UUID


@dataclass(frozen=True)
class GenerationNeeded(Question[bool]):
    """Asks whether data sealed to this generation may still arrive. One yes keeps the generation."""

    generation: "StudioKey"
