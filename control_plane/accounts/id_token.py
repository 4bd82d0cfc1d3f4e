"""Validation of OpenID Connect ID tokens. Pure: takes keys and expected values, returns claims.

Source: OpenID Connect Core 1.0 section 3.1.3.7, RFC 8725 (JSON Web Token best practice).
"""

import hmac
import time
from collections.abc import Mapping
from typing import Any

import jwt

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric signatures only: with HMAC, anyone who knows the client secret could forge tokens."""
LEEWAY_S = 60
OLDEST_S = 600
"""Maximum age of a token: it is fetched for the sign-in that asked for it."""


class TokenRefused(Exception):
    """The token is invalid; the message names the rule and contains nothing of the token."""


def verified_claims(
    token: str, keys: Mapping[str, Any], *, issuer: str, audience: str, nonce: str
) -> dict[str, Any]:
    """Validates an ID token and returns its claims.

    Args:
        keys: the provider's key set (RFC 7517).
        nonce: the nonce of this sign-in, which the token must contain.

    Raises:
        TokenRefused: wrong signature, audience, issuer or nonce, or the token is too old.
    """
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise TokenRefused("the token has a signature algorithm that is not accepted")
        claims: dict[str, Any] = jwt.decode(
            token,
            key=_key(keys, header),
            algorithms=[header["alg"]],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise TokenRefused(f"the token is refused: {type(error).__name__}") from error
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()) or not nonce:
        raise TokenRefused("the token belongs to another sign-in")
    if time.time() - float(claims["iat"]) > OLDEST_S + LEEWAY_S:
        raise TokenRefused("the token is too old")
    party = claims.get("azp")
    if (party or isinstance(claims["aud"], list)) and party not in (None, audience):
        raise TokenRefused("the token was made for another party")
    return claims


def _key(keys: Mapping[str, Any], header: Mapping[str, Any]) -> Any:
    found = [
        key
        for key in keys.get("keys", ())
        if isinstance(key, dict)
        and key.get("kty") in ("RSA", "EC", "OKP")
        and key.get("use", "sig") == "sig"
        and (key.get("kid") == header.get("kid") or "kid" not in header)
    ]
    if len(found) != 1:
        raise TokenRefused("the token matches no key of the provider, or several")
    return jwt.PyJWK.from_dict(found[0], algorithm=header["alg"]).key
