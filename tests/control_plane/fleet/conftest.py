"""A room, and agents paired in it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from control_plane.administration import services as studios
from control_plane.common import valkey
from control_plane.common.scoping import studio_scope
from control_plane.fleet import pairing
from control_plane.fleet.models import Agent
from control_plane.tenancy.models import Room
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast
from tests.control_plane.live import serve

Pair = Callable[..., tuple[AgentClient, Agent]]


@pytest.fixture(autouse=True)
def _forget_tries(db: None) -> None:
    for key in valkey.client().scan_iter(f"{valkey.PREFIX}*"):
        valkey.client().delete(key)


def make_room(cast: Cast, name: str = "Big room") -> Room:
    """Returns a new room of the studio."""
    with studio_scope(cast.studio.id):
        return studios.create_room(cast.studio, name=name, actor=cast.alice.actor)


def pair_agent(cast: Cast, **code: Any) -> tuple[AgentClient, Agent]:
    """Returns a client that has claimed a code, and the row of its agent."""
    agent_client = AgentClient()
    text = pairing.create_pairing_code(cast.studio, actor=cast.alice.actor, **code).text
    agent_client.answer = pairing.claim_pairing_code(agent_client.pair_request(text))
    with studio_scope(cast.studio.id):
        return agent_client, Agent.objects.get(pk=agent_client.agent_id)


@pytest.fixture
def room(cast: Cast) -> Room:
    """A room of the studio."""
    return make_room(cast)


@pytest.fixture
def paired(cast: Cast) -> tuple[AgentClient, Agent]:
    """A client of an agent of the studio, and the agent's row."""
    return pair_agent(cast)


@pytest.fixture
def address(committed: Cast) -> Iterator[str]:
    """The address of a server of this application."""
    with serve() as url:
        yield url
