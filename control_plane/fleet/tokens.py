"""An agent's token: a JWT signed by the box's Ed25519 key; pure.

Source: RFC 7519, RFC 8037 (EdDSA).
"""

from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from control_plane.fleet.errors import ClockOff, TokenInvalid
from shared.protocol.pairing import TOKEN_LIFETIME_S

LEEWAY_S = 30
"""How far a box's idea of our time may be off."""
REMEMBER_S = TOKEN_LIFETIME_S + 2 * LEEWAY_S
"""A token is refused for its age after this long, so its `jti` need not be remembered longer."""
LONGEST_TOKEN = 4096


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
        TokenInvalid: there is none.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenInvalid("The request carries no token.")
    return token.strip()


def claimed(token: str) -> Claims:
    """Returns what a token says, before anything of it is proved.

    Raises:
        TokenInvalid: it is no token of an agent.
    """
    if len(token) > LONGEST_TOKEN:
        raise TokenInvalid("The token is too long.")
    try:
        header = jwt.get_unverified_header(token)
        claims = msgspec.convert(jwt.decode(token, options={"verify_signature": False}), Claims, strict=True)
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, UnicodeError) as error:
        raise TokenInvalid("The token cannot be read.") from error
    if header.get("kid") != str(claims.iss) or not 8 <= len(claims.jti) <= 64:
        raise TokenInvalid("The token is not made as agents make it.")
    return claims


def verify(token: str, *, identity_key: bytes, audience: str, now_s: float) -> Claims:
    """Returns what a token says, proved: signed by `identity_key`, for `audience`, and of now.

    Raises:
        ClockOff: it is signed, but from another time.
        TokenInvalid: it is not signed by this key, or for somebody else.
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
        raise TokenInvalid("The token is made out to another control plane.") from error
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
        raise TokenInvalid("The token's signature is not this agent's.") from error
    if not 0 < claims.exp - claims.iat <= TOKEN_LIFETIME_S:
        raise TokenInvalid(f"The token is good for longer than {TOKEN_LIFETIME_S} s.")
    if not claims.iat - LEEWAY_S <= now_s <= claims.exp + LEEWAY_S:
        raise ClockOff(f"The token is {abs(round(now_s - claims.iat))} s from our time.")
    return claims
