"""Authenticates agents by their tokens, for HTTP and for the websocket."""

import time
from dataclasses import dataclass
from uuid import UUID

from control_plane.common import valkey
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.fleet import installation, tokens
from control_plane.fleet.errors import AgentRevoked, TokenInvalid
from control_plane.fleet.models import Agent


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated agent, and the network address of its request."""

    agent_id: UUID
    studio_id: UUID
    address: str

    @property
    def actor(self) -> Actor:
        """The agent as an actor."""
        return Actor.agent(self.agent_id, studio_id=self.studio_id)


def authenticate(authorization: str, *, address: str) -> Caller:
    """Returns the agent whose token is in an Authorization header. A token can be used once.

    Raises:
        TokenInvalid: the token is not valid, or was used before.
        ClockOff: the token is signed, but its time is off.
        AgentRevoked: the agent is revoked; carries the signed reason.
        Unavailable: Valkey cannot tell now whether the token was used before.
    """
    token = tokens.bearer(authorization)
    unverified = tokens.unverified_claims(token)
    with studio_scope(unverified.std):
        agent: Agent | None = Agent.objects.filter(pk=unverified.iss).first()
    if agent is None:
        raise TokenInvalid("Unknown agent.")
    claims = tokens.verify(
        token,
        identity_key=bytes(agent.identity_key),
        audience=installation.audience(),
        now_s=time.time(),
    )
    if not agent.is_trusted:
        raise AgentRevoked(installation.sign_revocation(agent.id, agent.revoked_reason))
    if not valkey.first_time(f"{agent.id}:{claims.jti}", remember_s=tokens.JTI_LIFETIME_S):
        raise TokenInvalid("The token was used before.")
    return Caller(agent.id, agent.studio_id, address)
