"""Reads of the fleet, inside the studio in scope. Functions with an actor return only rows that the actor may see."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.fleet.models import (
    Agent,
    AgentState,
    Camera,
    DesiredConfig,
    ReportedConfig,
    StatusReport,
)
from control_plane.tenancy.models import Room
from shared.protocol.config import AgentConfig
from shared.protocol.status import AgentStatus, CameraStatus

RECORDING_STATES = (AgentState.PENDING, AgentState.ACTIVE)
"""States in which an agent carries out recording orders."""


def count_agents() -> int:
    """Returns how many agents of the studio in scope count towards its plan."""
    return int(Agent.objects.filter(state__in=RECORDING_STATES).count())


def count_cameras() -> int:
    """Returns how many cameras of the studio in scope count towards its plan."""
    return int(Camera.objects.count())


def visible_agents(actor: Actor) -> QuerySet[Agent]:
    """Returns the agents that `actor` may see, with desired and reported configuration and last status loaded."""
    return access.visible(actor, Agent).select_related("desired", "reported", "status_report")


def visible_cameras(actor: Actor) -> QuerySet[Camera]:
    """Returns the cameras that `actor` may see, with room and agent loaded."""
    return access.visible(actor, Camera).select_related("room", "agent")


def agents_of_room(room: Room) -> list[Agent]:
    """Returns the agents that record in a room: those with an enabled camera there."""
    return list(
        Agent.objects.filter(cameras__room=room, cameras__enabled=True, state__in=RECORDING_STATES)
        .distinct()
        .order_by("id")
    )


def cameras_of_room(room: Room) -> list[Camera]:
    """Returns the enabled cameras of a room whose agents record."""
    return list(
        Camera.objects.filter(room=room, enabled=True, agent__state__in=RECORDING_STATES)
        .select_related("agent")
        .order_by("position", "name")
    )


def desired_document(agent_id: UUID) -> AgentConfig | None:
    """Returns the newest desired configuration of an agent, or None."""
    row: DesiredConfig | None = DesiredConfig.objects.filter(agent_id=agent_id).first()
    return row.document if row else None


def link_facts(agent_ids: Iterable[UUID]) -> list[tuple[UUID, bool, int]]:
    """Returns for each agent whether it is trusted and the version of its newest configuration (0: none)."""
    rows = Agent.objects.filter(pk__in=list(agent_ids)).values_list("id", "state", "desired__version")
    return [(id_, state != AgentState.REVOKED, version or 0) for id_, state, version in rows]


def fresh_status(agent: Agent, now: datetime | None = None) -> AgentStatus | None:
    """Returns the last heartbeat of an agent if it is recent, else None."""
    if agent.stopped_at is not None:
        return None
    report: StatusReport | None = getattr(agent, "status_report", None)
    return report.status if report and report.is_fresh(now or timezone.now()) else None


def camera_statuses(agent: Agent) -> dict[UUID, CameraStatus]:
    """Returns the current status of each camera of an agent; empty if the agent is silent."""
    status = fresh_status(agent)
    return {camera.camera_id: camera for camera in status.cameras} if status else {}


def is_acknowledged(agent: Agent) -> bool:
    """Returns whether the agent runs the newest configuration."""
    desired: DesiredConfig | None = getattr(agent, "desired", None)
    reported: ReportedConfig | None = getattr(agent, "reported", None)
    if desired is None:
        return True
    return reported is not None and (reported.version, reported.hash) == (desired.version, desired.hash)
