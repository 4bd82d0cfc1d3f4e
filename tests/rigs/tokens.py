"""The tokens of an agent, checked as the real control plane checks them."""

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.protocol.errors import Code
from shared.protocol.ids import AgentId, StudioId
from tests.rigs.faults import Refusal

SLACK_S = 5
LONGEST_S = 60


class Tokens:
    """Takes each token once."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def check(
        self, token: str, *, key: bytes, agent_id: AgentId, studio_id: StudioId, audience: str, now_s: float
    ) -> None:
        """Checks the token of an agent whose identity key (32 bytes) is `key`.

        Raises:
            Refusal: it is not this agent's, is for another studio or server, is used again, or its clock is off.
        """
        try:
            if jwt.get_unverified_header(token)["kid"] != str(agent_id):
                raise Refusal(Code.AGENT_TOKEN_INVALID, "kid")
            claims = jwt.decode(
                token,
                Ed25519PublicKey.from_public_bytes(key),
                algorithms=["EdDSA"],
                audience=audience,
                options={
                    "require": ["iss", "std", "iat", "exp", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, KeyError) as error:
            raise Refusal(Code.AGENT_TOKEN_INVALID, str(error)) from error
        if (
            not claims["iat"] - SLACK_S <= now_s <= claims["exp"] + SLACK_S
            or claims["exp"] - claims["iat"] > LONGEST_S
        ):
            raise Refusal(Code.AGENT_CLOCK_OFF)
        if (claims["iss"], claims["std"]) != (str(agent_id), str(studio_id)):
            raise Refusal(Code.AGENT_TOKEN_INVALID, "iss or std")
        if claims["jti"] in self._used:
            raise Refusal(Code.AGENT_TOKEN_INVALID, "used twice")
        self._used.add(claims["jti"])
