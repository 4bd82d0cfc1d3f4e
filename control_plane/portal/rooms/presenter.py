"""Data of a room's card: cameras, the recording under way, and the reason why recording is not possible."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.fleet.models import Agent
from control_plane.fleet.selectors import camera_statuses, visible_agents, visible_cameras
from control_plane.portal.agents.cameras import CameraCard, camera_card
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.selectors import visible_classes
from control_plane.tenancy.models import Room

BUSY = frozenset({ClassState.REQUESTED, ClassState.RECORDING, ClassState.FINISHING})


@dataclass(frozen=True, slots=True)
class RoomCard:
    """One room. `state` is `idle` or that of its recording or uploading class; `hint` names the obstacle to recording."""

    id: UUID
    name: str
    cameras: list[CameraCard]
    state: str
    class_id: UUID | None
    since_at: datetime | None
    can_record: bool
    hint: str
    error: str = ""

    @property
    def can_stop(self) -> bool:
        """Whether a recording is under way that can be stopped."""
        return self.state in {ClassState.REQUESTED, ClassState.RECORDING}

    @property
    def cameras_text(self) -> str:
        """Text with the number of cameras that send pictures."""
        total, live = len(self.cameras), sum(camera.is_connected for camera in self.cameras)
        if not total:
            return _("No cameras")
        return f"{live} of {total} camera{'s' if total > 1 else ''} connected"


@dataclass(slots=True)
class _Found:
    cameras: list[CameraCard] = field(default_factory=list)
    agents: dict[UUID, Agent] = field(default_factory=dict)
    running: ClassSession | None = None


def room_cards(
    actor: Actor, *, only: Room | None = None, errors: dict[UUID, str] | None = None
) -> list[RoomCard]:
    """Returns the rooms that `actor` may see, by name.

    Args:
        only: this room alone.
        errors: the error of the last request, by room.
    """
    rooms = [only] if only else list(access.visible(actor, Room).order_by("name"))
    found: dict[UUID, _Found] = defaultdict(_Found)
    agents = {agent.id: agent for agent in visible_agents(actor)}
    statuses = {agent.id: camera_statuses(agent) for agent in agents.values()}
    for camera in visible_cameras(actor).filter(enabled=True):
        agent = agents.get(camera.agent_id, camera.agent)
        found[camera.room_id].agents[agent.id] = agent
        found[camera.room_id].cameras.append(camera_card(camera, agent, statuses.get(agent.id, {})))
    for class_session in visible_classes(actor).filter(state__in=BUSY).order_by("requested_at"):
        found[class_session.room_id].running = class_session
    return [_card(room, found[room.id], (errors or {}).get(room.id, "")) for room in rooms]


def _card(room: Room, found: _Found, error: str) -> RoomCard:
    running = found.running
    recordable = [agent for agent in found.agents.values() if agent.state in {"pending", "active"}]
    return RoomCard(
        id=room.id,
        name=room.name,
        cameras=sorted(found.cameras, key=lambda camera: camera.order),
        state=running.state if running else "idle",
        class_id=running.id if running else None,
        since_at=running.started_at if running else None,
        can_record=bool(recordable),
        hint=_hint(found, recordable),
        error=error,
    )


def _hint(found: _Found, recordable: list[Agent]) -> str:
    if not found.cameras:
        return _("No cameras yet. Ask an admin to add an agent and its cameras.")
    if not recordable:
        return _("The agent of these cameras was revoked or replaced. Assign the cameras to another agent.")
    if not any(agent.is_online for agent in recordable):
        if all(agent.stopped_at for agent in recordable):
            return _("The agent is stopped. Recording begins when it is started on its computer.")
        return _("The agent is not connected. Recording begins when it is connected again.")
    dark = [camera.name for camera in found.cameras if not camera.is_connected]
    if dark:
        return _("No picture from %(dark)s. See the page Agents for the reason.") % {"dark": ", ".join(dark)}
    return ""


def cameras_in(actor: Actor, room: Room) -> list[CameraCard]:
    """Returns the cameras of one room that `actor` may see, in wall order."""
    cards = []
    agents = {agent.id: agent for agent in visible_agents(actor)}
    for camera in visible_cameras(actor).filter(room=room):
        agent: Agent = agents.get(camera.agent_id, camera.agent)
        cards.append(camera_card(camera, agent, camera_statuses(agent)))
    return sorted(cards, key=lambda camera: camera.order)


def room_of(actor: Actor, room_id: UUID) -> Room | None:
    """Returns one room that `actor` may see, or None."""
    found: Room | None = access.visible(actor, Room).filter(pk=room_id).first()
    return found
