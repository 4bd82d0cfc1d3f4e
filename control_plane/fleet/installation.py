"""The identity of this installation for its agents: the audience of their tokens, and the key that signs revocations.

All values are derived from the installation's seed (`keys.platform_secret`), so a new root key does not change them.
"""

import time
from functools import cache
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from control_plane.keys.platform_secret import derive_secret

REVOCATION_TYPE = "revocation+jwt"


def audience() -> str:
    """Returns the audience that tokens of agents must name."""
    return f"threedance-{derive_secret('fleet audience').hex()[:16]}"


def pairing_key() -> bytes:
    """Returns the key of the hashes of pairing codes: without a key, 34 bits could be guessed quickly."""
    return derive_secret("fleet pairing")


def revocation_public_key() -> bytes:
    """Returns the Ed25519 public key (32 bytes) that verifies revocations."""
    return _revocation_key(_seed()).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign_revocation(agent_id: UUID, reason: str) -> str:
    """Returns the compact JWT that revokes an agent (`shared.protocol.pairing.Revocation`)."""
    claims = {"sub": str(agent_id), "reason": reason, "iat": int(time.time())}
    return jwt.encode(claims, _revocation_key(_seed()), algorithm="EdDSA", headers={"typ": REVOCATION_TYPE})


def _seed() -> bytes:
    return derive_secret("fleet revocation")


@cache
def _revocation_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)
