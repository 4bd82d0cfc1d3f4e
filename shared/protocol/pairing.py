"""Pairing of an agent with a studio, and its revocation."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.protocol.ids import AgentId, StudioId
from shared.protocol.media import Instant

PAIRING_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Twenty consonants: no vowels (no words), no digits, no letters that look alike. Source: RFC 8628, section 6.1."""
PAIRING_CODE_LENGTH = 8

TOKEN_LIFETIME_S = 60
"""Lifetime of an agent's request token."""

PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]


def normalise_pairing_code(text: str) -> str:
    """Returns the eight letters of a code that a person typed.

    Raises:
        ValueError: not eight letters of `PAIRING_ALPHABET`; the message names the broken rule.
    """
    code = "".join(text.split()).replace("-", "").upper()
    if len(code) != PAIRING_CODE_LENGTH:
        raise ValueError(
            f"a pairing code has {PAIRING_CODE_LENGTH} letters (XXXX-XXXX); this has {len(code)}"
        )
    wrong = sorted(set(code) - set(PAIRING_ALPHABET))
    if wrong:
        raise ValueError(
            f"a pairing code uses only the letters {PAIRING_ALPHABET}; this has {''.join(wrong)}"
        )
    return code


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about the agent's computer for the admin; none identifies a person."""

    hostname: str
    model: str
    os: str
    python: str
    cpu_count: int
    memory_bytes: int


class PairRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Claims a pairing code with the agent's two public keys: Ed25519 for signatures, X25519 for sealed data."""

    code: str
    identity_key: PublicKey
    sealing_key: PublicKey
    protocol: int
    agent_version: str
    host: HostFacts


class PairAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Values that the agent stores: its identity, its audience, and the key that signs a revocation."""

    agent_id: AgentId
    studio_id: StudioId
    studio_name: str
    audience: str
    revocation_key: PublicKey
    server_time_at: Instant


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Claims of the EdDSA JWT, signed by the control plane's revocation key, that ends an agent.

    On the wire it is the compact JWT (`typ` header `revocation+jwt`); the agent checks signature and `sub` and then
    drops its credentials. A plain 401 or 403 never has this effect.
    """

    sub: AgentId
    reason: str
    iat: int
