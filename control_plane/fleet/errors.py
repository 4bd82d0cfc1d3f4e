"""Errors of the fleet.

ControlPlaneError
├── PairingRefused           its code gives the reason: unknown, expired, used, locked
├── TokenInvalid             the token of an agent is not valid, or was used before
│   └── ClockOff             it is signed, but its time is off; the time header of the answer corrects the agent
├── ProtocolTooOld           this server no longer supports the protocol version of the agent
└── AgentRevoked             carries the signed reason of the revocation
"""

import msgspec

from control_plane.common.errors import ControlPlaneError
from shared.protocol.errors import Code, Problem


class PairingRefused(ControlPlaneError):
    """The pairing code cannot pair this agent."""

    default_code = Code.PAIRING_CODE_UNKNOWN


class TokenInvalid(ControlPlaneError):
    """The token of a request does not prove which agent sent it."""

    default_code = Code.AGENT_TOKEN_INVALID


class ClockOff(TokenInvalid):
    """The token is signed, but its time differs from the server's."""

    default_code = Code.AGENT_CLOCK_OFF


class ProtocolTooOld(ControlPlaneError):
    """The agent must be updated before it can connect."""

    default_code = Code.PROTOCOL_TOO_OLD


class AgentRevoked(ControlPlaneError):
    """This agent has been revoked; `revocation` is the signed reason, a compact JWT."""

    default_code = Code.AGENT_REVOKED

    def __init__(self, revocation: str) -> None:
        super().__init__("")
        self.revocation = revocation

    def problem(self, instance: str = "") -> Problem:
        """Returns the problem+json body, with the signed reason."""
        return msgspec.structs.replace(super().problem(instance), revocation=self.revocation)
