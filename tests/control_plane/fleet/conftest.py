"""A room, and boxes paired in it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from control_plane.administration import services as studios
from control_plane.common import valkey
from control_plane.common.scoping import studio_scope
from control_plane.fleet import pairing
from control_plane.fleet.models import Agent
from control_plane.tenancy.models import Room
from tests.control_plane.box import Box
from tests.control_plane.conftest import Cast
from tests.control_plane.live import serve

Pair = Callable[..., tuple[Box, Agent]]


@pytest.fixture(autouse=True)
def _forget_tries(db: None) -> None:
    for key in valkey.client().scan_iter(f"{valkey.PREFIX}*"):
        valkey.client().delete(key)


def make_room(cast: Cast, name: str = "Big room") -> Room:
    """Returns a new room of the studio."""
    with studio_scope(cast.studio.id):
        return studios.create_room(cast.studio, name=name, actor=cast.alice.actor)


def pair_box(cast: Cast, **code: Any) -> tuple[Box, Agent]:
    """Returns a box that has claimed a code, and its agent."""
    box = Box()
    text = pairing.create_pairing_code(cast.studio, actor=cast.alice.actor, **code).text
    box.answer = pairing.claim_pairing_code(box.pair_request(text))
    with studio_scope(cast.studio.id):
        return box, Agent.objects.get(pk=box.agent_id)


@pytest.fixture
def room(cast: Cast) -> Room:
    """A room of the studio."""
    return make_room(cast)


@pytest.fixture
def paired(cast: Cast) -> tuple[Box, Agent]:
    """A box of the studio."""
    return pair_box(cast)


@pytest.fixture
def address(committed: Cast) -> Iterator[str]:
    """The address of a server of this application."""
    with serve() as url:
        yield url
