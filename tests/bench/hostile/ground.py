"""The two studios of the bench, and their description for processes that know no Django.

`prepare` needs `django.setup()`. A `Ground` is plain data: the attacker's process reads it from its standard input.
"""

from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ATTACKER_ADDRESSES = tuple(f"127.0.66.{index}" for index in range(1, 5))
"""Where attacks connect from: other addresses than the honest studio's viewers, who come from 127.0.0.1."""


class PairedAgent(msgspec.Struct, frozen=True, kw_only=True):
    """A paired agent, and the running class that it may send footage for."""

    agent_id: str
    studio_id: str
    private_key: bytes
    """Ed25519, raw: signs the agent's tokens."""
    audience: str
    class_id: str
    camera_ids: tuple[str, ...]
    recipient_key_id: str
    recipient_public_key: bytes
    """X25519, raw: content keys of segments are sealed to it."""


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """The address under attack, the addresses and credentials of the honest studio, and those of the hostile one."""

    address: str
    pages: dict[str, list[str]]
    """Paths of the honest studio, by kind; a kind's paths are asked in turn."""
    cookie: str
    """Session cookie of the honest studio's admin."""
    honest_agent: PairedAgent
    hostile_slug: str
    hostile_cookie: str
    """Session cookie of the hostile studio's admin."""
    agent: PairedAgent
    """Of the hostile studio."""

    def agent_client(self, agent: PairedAgent) -> Any:
        """Returns an agent as `tests.control_plane.agent_client.AgentClient`: `call`, `post`, `authorization`."""
        from datetime import UTC, datetime
        from uuid import UUID

        from shared.protocol.ids import AgentId, StudioId
        from shared.protocol.pairing import PairAnswer
        from tests.control_plane.agent_client import AgentClient

        agent_client = AgentClient(self.address)
        agent_client.identity = Ed25519PrivateKey.from_private_bytes(agent.private_key)
        agent_client.answer = PairAnswer(
            agent_id=AgentId(UUID(agent.agent_id)),
            studio_id=StudioId(UUID(agent.studio_id)),
            studio_name="",
            audience=agent.audience,
            revocation_key=b"",
            server_time_at=datetime.now(UTC),
        )
        return agent_client


def prepare(address: str) -> Ground:
    """Creates an honest and a hostile studio, each with a paired agent and a running class; the honest one with a replay.

    Needs `django.setup()`.
    """
    from django.db import connections

    from tests.bench.stage import cookie_of, make_class, make_stage

    try:
        honest, hostile = make_stage("honest"), make_stage("hostile")
        replay = make_class(honest, length_s=60, stored_s=12, bytes_per_s=100_000)
        segments = [segment for of in replay.segments.values() for segment, _ in of]
        return Ground(
            address=address,
            pages={
                "page": [f"/studio/{honest.studio.slug}/classes/"],
                "playlist": [f"{replay.folder}/tracks/{track}/playlist.m3u8" for track in replay.tracks],
                "key": [f"{replay.folder}/segments/{segment}/key" for segment in segments],
            },
            cookie=cookie_of(honest.alice),
            honest_agent=_paired(honest),
            hostile_slug=hostile.studio.slug,
            hostile_cookie=cookie_of(hostile.alice),
            agent=_paired(hostile),
        )
    finally:
        connections.close_all()


def _paired(stage: Any) -> PairedAgent:
    """Gives the agent of a `Stage` a key that the bench holds, and starts a class."""
    from control_plane.common.scoping import studio_scope
    from control_plane.fleet import installation
    from control_plane.fleet.desired import publish_config
    from control_plane.fleet.models import Agent
    from control_plane.recordings import services as recordings

    key = Ed25519PrivateKey.generate()
    with studio_scope(stage.studio.id):
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        Agent.objects.filter(pk=stage.agent.pk).update(identity_key=public)
        publish_config(stage.agent)
        session = recordings.start_class(stage.room, actor=stage.alice.actor)
    return PairedAgent(
        agent_id=str(stage.agent.id),
        studio_id=str(stage.studio.id),
        private_key=key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()),
        audience=installation.audience(),
        class_id=str(session.id),
        camera_ids=tuple(map(str, stage.cameras)),
        recipient_key_id=str(stage.recipient.id),
        recipient_public_key=stage.recipient.public_key,
    )
