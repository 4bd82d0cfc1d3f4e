"""An agent's token: whose it is, for whom, of now, and once."""

import base64
import json
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from control_plane.common.errors import Unavailable
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services
from control_plane.fleet.authentication import authenticate
from control_plane.fleet.errors import AgentRevoked, ClockOff, TokenInvalid
from control_plane.fleet.models import Agent
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import pair_agent

Paired = tuple[AgentClient, Agent]


def refused(token: str) -> type[Exception]:
    with pytest.raises((TokenInvalid, AgentRevoked)) as error:
        authenticate(f"Bearer {token}", address="10.0.0.1")
    return error.type


def test_a_good_token_names_the_agent_once(paired: Paired, cast: Cast) -> None:
    agent_client, agent = paired
    token = agent_client.token()
    caller = authenticate(f"Bearer {token}", address="10.0.0.1")
    assert (caller.agent_id, caller.studio_id) == (agent.id, cast.studio.id)
    assert refused(token) is TokenInvalid


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


NESTED = encoded(b'{"a":' + b"[" * 2900)

HEADER = encoded(b'{"alg":"EdDSA","typ":"JWT"}')


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Basic abc",
        "Bearer x.y.z",
        "Bearer " + "a" * 5000,
        f"Bearer {NESTED}.e30.c2ln",
        f"Bearer {HEADER}.{NESTED}.c2ln",
    ],
)
def test_what_is_no_token_is_refused(cast: Cast, header: str) -> None:
    with pytest.raises(TokenInvalid):
        authenticate(header, address="")


def test_a_token_from_another_time_says_that_the_clock_is_off(paired: Paired) -> None:
    agent_client, _ = paired
    now_s = int(time.time())
    for off_s in (-3600, -95, 95, 3600):
        assert refused(agent_client.token(iat=now_s + off_s, exp=now_s + off_s + 60)) is ClockOff
    for off_s in (-80, 25):
        authenticate(f"Bearer {agent_client.token(iat=now_s + off_s, exp=now_s + off_s + 60)}", address="")


def test_a_token_that_is_good_for_long_is_refused(paired: Paired) -> None:
    now_s = int(time.time())
    assert refused(paired[0].token(iat=now_s, exp=now_s + 61)) is TokenInvalid
    assert refused(paired[0].token(iat=now_s, exp=now_s)) is TokenInvalid


def test_another_key_another_audience_or_another_studio_prove_nothing(
    paired: Paired, cast: Cast, other: Cast
) -> None:
    agent_client, _ = paired
    assert refused(agent_client.token(key=Ed25519PrivateKey.generate())) is TokenInvalid
    assert refused(agent_client.token(aud="another control plane")) is TokenInvalid
    assert refused(agent_client.token(std=str(other.studio.id))) is TokenInvalid
    assert refused(agent_client.token(iss=str(uuid4()))) is TokenInvalid
    assert refused(agent_client.token(jti="short")) is TokenInvalid
    second, _ = pair_agent(other)
    assert refused(second.token(std=str(cast.studio.id))) is TokenInvalid


def test_no_other_algorithm_is_taken(paired: Paired) -> None:
    agent_client, agent = paired
    claims = jwt.decode(agent_client.token(), options={"verify_signature": False})
    with_key = jwt.encode(
        claims, bytes(agent.identity_key), algorithm="HS256", headers={"kid": str(agent.id)}
    )

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    unsigned = f"{part({'alg': 'none', 'typ': 'JWT', 'kid': str(agent.id)})}.{part(claims)}."
    assert refused(with_key) is TokenInvalid
    assert refused(unsigned) is TokenInvalid


def test_a_revoked_agent_is_told_so_and_only_who_has_its_key_learns_it(paired: Paired, cast: Cast) -> None:
    agent_client, agent = paired
    with studio_scope(cast.studio.id):
        services.revoke_agent(agent, reason="stolen", actor=cast.alice.actor)
    assert refused(agent_client.token()) is AgentRevoked
    assert refused(agent_client.token(key=Ed25519PrivateKey.generate())) is TokenInvalid


def test_where_replays_cannot_be_told_nothing_is_let_in_and_nobody_is_refused(
    paired: Paired, settings: Any
) -> None:
    settings.VALKEY_URL = "unix:///nowhere/valkey.sock"
    with pytest.raises(Unavailable):
        authenticate(paired[0].authorization(), address="")
