"""Who calls: from a token to an agent, for HTTP and for the websocket alike."""

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
    """An agent that proved who it is, and where it calls from."""

    agent_id: UUID
    studio_id: UUID
    address: str

    @property
    def actor(self) -> Actor:
        """The agent as the one who acts."""
        return Actor.agent(self.agent_id, studio_id=self.studio_id)


def authenticate(authorization: str, *, address: str) -> Caller:
    """Returns the agent whose token stands in an Authorization header. A token is good once.

    Raises:
        TokenInvalid: it proves nothing, or was used before.
        ClockOff: it is from another time.
        AgentRevoked: it is the token of an agent that was revoked; carries the signed reason.
        Unavailable: whether it was used before cannot be known now.
    """
    token = tokens.bearer(authorization)
    said = tokens.claimed(token)
    with studio_scope(said.std):
        agent: Agent | None = Agent.objects.filter(pk=said.iss).first()
    if agent is None:
        raise TokenInvalid("There is no such agent.")
    claims = tokens.verify(
        token,
        identity_key=bytes(agent.identity_key),
        audience=installation.audience(),
        now_s=time.time(),
    )
    if not agent.is_trusted:
        raise AgentRevoked(installation.sign_revocation(agent.id, agent.revoked_reason))
    if not valkey.first_time(f"{agent.id}:{claims.jti}", remember_s=tokens.REMEMBER_S):
        raise TokenInvalid("The token was used before.")
    return Caller(agent.id, agent.studio_id, address)
