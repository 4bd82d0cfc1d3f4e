"""Errors of the fleet.

ControlPlaneError
├── PairingRefused           the code says which way: unknown, expired, used, locked
├── TokenInvalid             an agent's token is not one of ours, or was used before
│   └── ClockOff             it is, but from another time: the answer's Date header mends it
├── ProtocolTooOld           an agent speaks a version that nobody here speaks any more
└── AgentRevoked             carries the signed reason that ends the agent
"""

import msgspec

from control_plane.common.errors import ControlPlaneError
from shared.protocol.errors import Code, Problem


class PairingRefused(ControlPlaneError):
    """The pairing code does not make this box an agent."""

    default_code = Code.PAIRING_CODE_UNKNOWN


class TokenInvalid(ControlPlaneError):
    """The token of a request does not prove which agent sent it."""

    default_code = Code.AGENT_TOKEN_INVALID


class ClockOff(TokenInvalid):
    """The token is well signed, but was made at another time than ours."""

    default_code = Code.AGENT_CLOCK_OFF


class ProtocolTooOld(ControlPlaneError):
    """The agent has to be updated before it can be spoken to."""

    default_code = Code.PROTOCOL_TOO_OLD


class AgentRevoked(ControlPlaneError):
    """This agent has been revoked; `revocation` is the signed reason, a compact JWT."""

    default_code = Code.AGENT_REVOKED

    def __init__(self, revocation: str) -> None:
        super().__init__("")
        self.revocation = revocation

    def problem(self, instance: str = "") -> Problem:
        """Returns the answer's body, with the signed reason."""
        return msgspec.structs.replace(super().problem(instance), revocation=self.revocation)
