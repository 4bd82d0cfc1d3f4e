"""Access to the agents' websocket: with a token that is valid and unused, until the agent is revoked."""

import time
from typing import Any

import httpx
import jwt
import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from websockets.asyncio.client import connect

from control_plane.common.scoping import studio_scope
from control_plane.fleet import gateway, services
from shared.protocol.codec import decode
from shared.protocol.errors import Code, Problem
from shared.protocol.messages import Revoked
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import pair_agent
from tests.control_plane.fleet.link_client import in_thread, linked, receive_message


async def test_revocation_closes_the_socket_within_five_seconds_with_a_signed_reason(
    committed: Cast, address: str
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    agent_client.address = address

    def revoke() -> None:
        with studio_scope(committed.studio.id):
            services.revoke_agent(agent, reason="stolen", actor=committed.alice.actor)

    async with linked(agent_client, address) as socket:
        await receive_message(socket)
        await receive_message(socket)
        await in_thread(revoke)
        began_s = time.monotonic()
        message = await receive_message(socket)
        with pytest.raises(websockets.ConnectionClosed):
            await receive_message(socket)
        assert time.monotonic() - began_s < 5
    assert isinstance(message, Revoked)
    assert revocation_of(agent_client, message.revocation)["reason"] == "stolen"
    refused = await in_thread(agent_client.call, "GET", "config")
    assert refused.status_code == 401
    problem = decode(refused.content, Problem)
    assert problem.code is Code.AGENT_REVOKED
    assert revocation_of(agent_client, problem.revocation)["sub"] == str(agent.id)
    with pytest.raises(websockets.InvalidStatus) as upgrade:
        async with linked(agent_client, address):
            pass
    assert upgrade.value.response.status_code == 401
    assert decode(bytes(upgrade.value.response.body), Problem).revocation
    assert len(upgrade.value.response.headers.get_all("Date")) == 1


async def test_revocation_closes_the_socket_in_time_even_where_no_announcement_is_heard(
    committed: Cast, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    monkeypatch.setattr("control_plane.fleet.subscriber.CHANNEL", "somewhere else")
    monkeypatch.setattr(gateway, "POLL_S", 600.0)
    monkeypatch.setattr(
        "control_plane.fleet.subscriber.Subscriber.is_disconnected",
        property(lambda self: True, lambda self, value: None),
        raising=False,
    )

    def revoke() -> None:
        with studio_scope(committed.studio.id):
            services.revoke_agent(agent, reason="", actor=committed.alice.actor)

    async with linked(agent_client, address) as socket:
        await receive_message(socket)
        await receive_message(socket)
        await in_thread(revoke)
        assert isinstance(await receive_message(socket, within_s=5), Revoked)


async def test_a_socket_without_a_good_token_is_refused_before_it_opens(
    committed: Cast, address: str
) -> None:
    agent_client, _ = await in_thread(pair_agent, committed)
    url = f"{address.replace('http', 'ws')}/agent/v1/link"
    used = agent_client.authorization()
    async with connect(url, additional_headers={"Authorization": used}):
        pass
    for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": used}):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with connect(url, additional_headers=header):
                pass
        assert refusal.value.response.status_code == 401
        assert decode(bytes(refusal.value.response.body), Problem).code is Code.AGENT_TOKEN_INVALID


def revocation_of(agent_client: AgentClient, token: str) -> dict[str, Any]:
    assert jwt.get_unverified_header(token)["typ"] == "revocation+jwt"
    key = Ed25519PublicKey.from_public_bytes(agent_client.answer.revocation_key)
    return jwt.decode(token, key, algorithms=["EdDSA"], options={"verify_aud": False})


def test_a_get_of_the_link_by_http_is_not_found(committed: Cast, address: str) -> None:
    assert httpx.get(f"{address}/agent/v1/link").status_code == 404
