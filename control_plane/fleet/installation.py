"""What this installation is to its agents: the audience of their tokens, and the key that signs the end of one.

All of it is derived from the installation's seed (`keys.platform_secret`), so a new root key changes nothing for them.
"""

import time
from functools import cache
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from control_plane.keys.platform_secret import derived

REVOCATION_TYPE = "revocation+jwt"


def audience() -> str:
    """Returns the name that agents' tokens must be made out to."""
    return f"threedance-{derived('fleet audience').hex()[:16]}"


def pairing_key() -> bytes:
    """Returns the key under which pairing codes are hashed: without it, 34 bits are soon guessed."""
    return derived("fleet pairing")


def revocation_public_key() -> bytes:
    """Returns the Ed25519 public key (32 bytes) that agents check a revocation with."""
    return _revocation_key(_seed()).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign_revocation(agent_id: UUID, reason: str) -> str:
    """Returns the compact JWT that ends an agent (`shared.protocol.pairing.Revocation`)."""
    claims = {"sub": str(agent_id), "reason": reason, "iat": int(time.time())}
    return jwt.encode(claims, _revocation_key(_seed()), algorithm="EdDSA", headers={"typ": REVOCATION_TYPE})


def _seed() -> bytes:
    return derived("fleet revocation")


@cache
def _revocation_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)
