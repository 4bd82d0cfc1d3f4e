"""How a box becomes an agent of a studio, and how it learns that it no longer is."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.protocol.ids import AgentId, StudioId
from shared.protocol.media import Instant

PAIRING_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Twenty consonants: no vowels (no words), no digits, nothing that reads as another. Source: RFC 8628, section 6.1."""
PAIRING_CODE_LENGTH = 8

TOKEN_LIFETIME_S = 60
"""How long a request token of an agent is good for."""

PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]


def normalise_pairing_code(text: str) -> str:
    """Returns the eight letters of a code as a person typed it.

    Raises:
        ValueError: it is not eight letters of `PAIRING_ALPHABET`; the message says which rule it breaks.
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
    """What the admin sees of a box: nothing that identifies a person."""

    hostname: str
    model: str
    os: str
    python: str
    cpu_count: int
    memory_bytes: int


class PairRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Claims a pairing code with the public halves of the box's two keys: Ed25519 to sign, X25519 to be sealed to."""

    code: str
    identity_key: PublicKey
    sealing_key: PublicKey
    protocol: int
    agent_version: str
    host: HostFacts


class PairAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the box keeps: who it is, whom it speaks to, and the key that signs a revocation."""

    agent_id: AgentId
    studio_id: StudioId
    studio_name: str
    audience: str
    revocation_key: PublicKey
    server_time_at: Instant


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Claims of the EdDSA JWT, signed by the control plane's revocation key, that ends an agent.

    On the wire it is the compact JWT (`typ` header `revocation+jwt`); the agent checks signature and `sub` and then
    drops its credentials. A plain 401 or 403 never does that.
    """

    sub: AgentId
    reason: str
    iat: int
