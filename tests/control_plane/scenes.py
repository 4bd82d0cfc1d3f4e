"""Scenes that several apps' tests begin with: a paired agent with three cameras in a room, a class under way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from control_plane.administration import services as studios
from control_plane.common.scoping import studio_scope
from control_plane.fleet import pairing
from control_plane.fleet import services as fleet
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent, Camera
from control_plane.keys import vault
from control_plane.recordings import services as recordings
from control_plane.recordings.models import ClassSession
from control_plane.tenancy.models import Room
from shared.protocol.config import RecipientKey
from shared.protocol.ids import ClassSessionId
from shared.protocol.status import AgentStatus, RecordingState, RecordingStatus, SpoolStatus
from shared.protocol.upload import TrackTally
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import START_AT, Cut, cuts, film

POSITIONS = ("left", "centre", "right")


@dataclass
class Scene:
    """A class in a studio, and the agent that records it."""

    cast: Cast
    agent_client: AgentClient
    agent: Agent
    room: Room
    cameras: dict[str, Camera]
    session: ClassSession
    recipient: RecipientKey

    @property
    def caller(self) -> Caller:
        """The agent as the caller of a request."""
        return Caller(self.agent.id, self.agent.studio_id, "10.0.0.7")

    def cuts(
        self, folder: Path, position: str = "left", *, seconds: int = 2, each: int = 1, **values: Any
    ) -> list[Cut]:
        """Returns segments of one camera."""
        return list(
            cuts(
                film(folder, seconds=seconds),
                each=each,
                class_session_id=self.session.id,
                camera_id=self.cameras[position].id,
                recipient=self.recipient,
                **values,
            )
        )

    def status(self, state: RecordingState, *, pending: int = 0, made: int = 2) -> AgentStatus:
        """Returns a heartbeat that tells of the class."""
        return status_of(self.session.id, state, pending=pending, made=made)

    def stop(self) -> None:
        """Ivan stops the class."""
        with studio_scope(self.cast.studio.id):
            recordings.stop_class(self.session, actor=self.cast.ivan.actor)

    def reread(self) -> ClassSession:
        """Returns the class as it stands in the database."""
        with studio_scope(self.cast.studio.id):
            row: ClassSession = ClassSession.objects.get(pk=self.session.pk)
            return row


def make_scene(cast: Cast, *, address: str = "", name: str = "Big room") -> Scene:
    """Returns a new scene; the class has just been started."""
    alice, agent_client = cast.alice.actor, AgentClient(address)
    with studio_scope(cast.studio.id):
        room = studios.create_room(cast.studio, name=name, actor=alice)
        code = pairing.create_pairing_code(cast.studio, actor=alice).text
    agent_client.answer = pairing.claim_pairing_code(agent_client.pair_request(code))
    with studio_scope(cast.studio.id):
        agent: Agent = Agent.objects.get(pk=agent_client.agent_id)
        cameras = {
            position: fleet.add_camera(
                room,
                agent,
                name=f"{position} wall",
                position=position,
                address=f"rtsp://user:geheim@10.0.0.1/{position}",
                actor=alice,
            )
            for position in POSITIONS
        }
        # The films are of then (`footage`), whenever the test runs.
        session = recordings.start_class(room, title="Ballet", actor=cast.ivan.actor, start_at=START_AT)
        return Scene(cast, agent_client, agent, room, cameras, session, vault.recipient())


def status_of(class_id: UUID, state: RecordingState, *, pending: int = 0, made: int = 2) -> AgentStatus:
    """Returns a heartbeat that tells of one class."""
    tally = TrackTally(
        class_session_id=ClassSessionId(class_id),
        segments_made=made,
        segments_pending=pending,
        gaps_pending=0,
    )
    return AgentStatus(
        now_at=START_AT,
        uptime_s=1,
        clock_offset_ms=0,
        cameras=(),
        recordings=(
            RecordingStatus(
                class_session_id=ClassSessionId(class_id),
                state=state,
                cameras_recording=3 if state is RecordingState.RECORDING else 0,
                first_picture_at=START_AT,
                tally=tally,
            ),
        ),
        spool=SpoolStatus(bytes_used=0, bytes_free=10**9, segments_pending=pending, behind_s=0),
    )
