"""Tokens of agents: JWTs signed by the agent's Ed25519 key; pure.

Source: RFC 7519, RFC 8037 (EdDSA).
"""

from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from control_plane.fleet.errors import ClockOff, TokenInvalid
from shared.protocol.pairing import TOKEN_LIFETIME_S

LEEWAY_S = 30
"""Tolerated error of the agent's clock."""
JTI_LIFETIME_S = TOKEN_LIFETIME_S + 2 * LEEWAY_S
"""After this time a token is too old anyway, so its `jti` need not be stored longer."""
MAX_TOKEN_LENGTH = 4096


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """Claims of a token: agent (`iss`), studio (`std`), audience (`aud`), Unix times (`iat`, `exp`), nonce (`jti`)."""

    iss: UUID
    std: UUID
    aud: str
    iat: int
    exp: int
    jti: str


def bearer(header: str) -> str:
    """Returns the token of an Authorization header.

    Raises:
        TokenInvalid: the header has none.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenInvalid("The request carries no token.")
    return token.strip()


def unverified_claims(token: str) -> Claims:
    """Returns the claims of a token, unverified.

    Raises:
        TokenInvalid: it is not a token of an agent.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise TokenInvalid("The token is too long.")
    try:
        header = jwt.get_unverified_header(token)
        claims = msgspec.convert(jwt.decode(token, options={"verify_signature": False}), Claims, strict=True)
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, UnicodeError) as error:
        raise TokenInvalid("The token cannot be parsed.") from error
    if header.get("kid") != str(claims.iss) or not 8 <= len(claims.jti) <= 64:
        raise TokenInvalid("The token does not have the form of an agent's token.")
    return claims


def verify(token: str, *, identity_key: bytes, audience: str, now_s: float) -> Claims:
    """Returns the verified claims of a token: signed by `identity_key`, for `audience`, and current.

    Raises:
        ClockOff: it is signed, but its time is off.
        TokenInvalid: it is not signed by this key, or has another audience.
    """
    try:
        verified = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(identity_key),
            algorithms=["EdDSA"],
            audience=audience,
            options={
                "require": ["iss", "aud", "iat", "exp", "jti"],
                "verify_iat": False,
                "verify_exp": False,
                "verify_nbf": False,
            },
        )
        claims = msgspec.convert(verified, Claims)
    except jwt.InvalidAudienceError as error:
        raise TokenInvalid("The token is for another control plane.") from error
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
        raise TokenInvalid("The token is not signed by this agent.") from error
    if not 0 < claims.exp - claims.iat <= TOKEN_LIFETIME_S:
        raise TokenInvalid(f"The token is valid for longer than {TOKEN_LIFETIME_S} s.")
    if not claims.iat - LEEWAY_S <= now_s <= claims.exp + LEEWAY_S:
        raise ClockOff(f"The token is {abs(round(now_s - claims.iat))} s off the server's time.")
    return claims
