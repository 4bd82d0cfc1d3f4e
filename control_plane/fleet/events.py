"""Events of the fleet, and a query that apps above it answer. All in the scope of the agent's studio."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from control_plane.common.actors import Actor
from control_plane.common.events import Event, Question
from shared.protocol.ids import SegmentId
from shared.protocol.messages import SendingAgain
from shared.protocol.status import AgentStatus

if TYPE_CHECKING:
    from control_plane.fleet.models import Agent


@dataclass(frozen=True)
class HeartbeatReceived(Event):
    """An agent reported its status."""

    agent: "Agent"
    status: AgentStatus
    actor: Actor


@dataclass(frozen=True)
class AgentReplaced(Event):
    """An agent takes over the cameras and running classes of another. Published in the transaction of the pairing."""

    old: "Agent"
    new: "Agent"


@dataclass(frozen=True)
class ResendAnswered(Event):
    """An agent reported which of the requested segments it will send again."""

    agent: "Agent"
    answer: SendingAgain
    actor: Actor


@dataclass(frozen=True)
class ResendWanted(Question[tuple[SegmentId, ...]]):
    """Query: the segments that an agent shall send again."""

    agent_id: UUID
