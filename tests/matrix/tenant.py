"""One studio of the matrix: who is in it, what it has, and the words that must never be met in the other."""

import secrets
from dataclasses import dataclass, field
from uuid import UUID

from django.apps import apps

from control_plane.accounts.models import User
from control_plane.tenancy.models import Studio
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.footage import Cut

PREFIXES = {"own": "kanarya", "other": "zeisigb"}
"""Prefix of every canary word of a studio: looking for one prefix finds them all."""


@dataclass
class Tenant:
    """One studio with everything in it."""

    name: str
    studio: Studio
    people: dict[str, User]
    ids: dict[str, UUID] = field(default_factory=dict)
    """Objects that addresses name: class, room, camera, track, segment, pairing, ..."""
    agent_client: AgentClient = field(default_factory=AgentClient)
    revoked: AgentClient = field(default_factory=AgentClient)
    code: str = ""
    cuts: list[Cut] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    """Whose key of the API, or which -> its secret."""
    raw: list[bytes] = field(default_factory=list)
    """Bytes that only those who may replay get: content keys, pieces of ciphertext."""
    rows: frozenset[str] = frozenset()
    """The ids of all rows, as text."""
    one_of: dict[str, object] = field(default_factory=dict)
    """Model label -> the key of one row of it."""

    @property
    def prefix(self) -> bytes:
        """Prefix of the canary words of this studio."""
        return PREFIXES[self.name].encode()

    @property
    def slug(self) -> str:
        """The studio's place in addresses."""
        return str(self.studio.slug)


def word(tenant: str, kind: str) -> str:
    """Returns a new canary word of a kind, such as `kanarya-title-1f3a`."""
    return f"{PREFIXES[tenant]}-{kind}-{secrets.token_hex(3)}"


def tenant_tables() -> list[str]:
    """Returns the tables that have a studio's id in a column."""
    return sorted(
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.startswith("control_plane.")
        and any(field.column == "studio_id" for field in model._meta.local_concrete_fields)
    )
