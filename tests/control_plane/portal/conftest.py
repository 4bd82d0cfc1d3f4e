"""A studio with a room, a paired agent and three cameras, and classes in every state."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from control_plane.administration.services import create_room
from control_plane.common.scoping import studio_scope
from control_plane.fleet.models import Agent, Camera
from control_plane.fleet.pairing import claim_pairing_code, create_pairing_code
from control_plane.fleet.services import add_camera
from control_plane.recordings.models import ClassSession, ClassState, Gap, Track
from control_plane.recordings.services import start_class
from control_plane.tenancy.models import Room
from shared.protocol.pairing import HostFacts, PairRequest
from shared.protocol.version import PROTOCOL_VERSION
from tests.control_plane.conftest import Cast

HOST = HostFacts(
    hostname="studio-pc", model="NUC", os="Debian 13", python="3.13.1", cpu_count=4, memory_bytes=8 * 10**9
)
SignIn = Callable[[str], Client]


@dataclass(frozen=True)
class FurnishedStudio:
    """The cast's studio with a room and an agent that reads three cameras."""

    cast: Cast
    room: Room
    agent: Agent
    cameras: list[Camera]

    @property
    def base(self) -> str:
        """The address of the studio's pages."""
        return f"/studio/{self.cast.studio.slug}"


def furnish(cast: Cast) -> FurnishedStudio:
    """Returns the studio of `cast` with a room, an agent and its cameras."""
    actor = cast.alice.actor
    with studio_scope(cast.studio.id):
        room = create_room(cast.studio, name="Room 1", actor=actor)
        code = create_pairing_code(cast.studio, actor=actor, agent_name="Agent 1")
    answer = claim_pairing_code(
        PairRequest(
            code=code.text,
            identity_key=bytes(SigningKey.generate().verify_key),
            sealing_key=bytes(PrivateKey.generate().public_key),
            protocol=PROTOCOL_VERSION,
            agent_version="0.1.0",
            host=HOST,
        )
    )
    with studio_scope(cast.studio.id):
        agent = Agent.objects.get(pk=answer.agent_id)
        cameras = [
            add_camera(
                room,
                agent,
                name=position.title(),
                position=position,
                address=f"rtsp://user:hush-{position}@192.168.1.2{n}/stream",
                actor=actor,
            )
            for n, position in enumerate(("left", "centre", "right"))
        ]
    return FurnishedStudio(cast, room, agent, cameras)


def record(furnished: FurnishedStudio, state: ClassState, title: str = "Ballet") -> ClassSession:
    """Returns a class of `furnished` in `state`, with a gap of the left camera where it has begun."""
    with studio_scope(furnished.cast.studio.id):
        row = start_class(furnished.room, actor=furnished.cast.ivan.actor, title=title)
        started_at = datetime(2026, 11, 21, 12, 3, tzinfo=UTC)
        if state is not ClassState.REQUESTED:
            row.started_at = started_at
        if state not in (ClassState.REQUESTED, ClassState.RECORDING):
            row.stop_requested_at = started_at + timedelta(seconds=30)
        row.state = state
        row.save()
        if state in (ClassState.COMPLETE, ClassState.INCOMPLETE):
            Gap.objects.create(
                studio=furnished.cast.studio,
                class_session=row,
                track=Track.objects.get(class_session=row, position="left"),
                from_at=started_at + timedelta(seconds=5),
                to_at=started_at + timedelta(seconds=8),
                reason="camera_offline",
            )
    return row


@pytest.fixture
def furnished(cast: Cast) -> FurnishedStudio:
    """The cast's studio, furnished."""
    return furnish(cast)


@pytest.fixture
def sign_in(cast: Cast) -> SignIn:
    """Returns a browser in which the person of that name is signed in; `nobody` is not."""

    def enter(name: str) -> Client:
        client = Client(headers={"accept": "text/html"})
        if name != "nobody":
            client.force_login(getattr(cast, name), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return enter
