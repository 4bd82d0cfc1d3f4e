"""Actors: who performs a write, or asks for an access decision."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ActorKind(StrEnum):
    """A signed-in person, an enrolled agent, or the control plane itself."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """One who acts. Holds ids only, never names or rows.

    `id`: the user's or the agent's id, None for the system. `studio_id`: only for an agent, which belongs to one
    studio. `job`: the part of the system that acts, such as `ingest.sweep_uploads`, or the API key that acts for a
    person. `scopes`: the permissions (codes of `StudioPermission`) that the API key is limited to, None: no limit.
    """

    kind: ActorKind
    id: UUID | None = None
    studio_id: UUID | None = None
    job: str = ""
    scopes: frozenset[str] | None = None

    @classmethod
    def user(cls, user_id: UUID) -> "Actor":
        """Returns a person as an actor."""
        return cls(ActorKind.USER, id=user_id)

    @classmethod
    def agent(cls, agent_id: UUID, *, studio_id: UUID) -> "Actor":
        """Returns an enrolled agent of one studio as an actor."""
        return cls(ActorKind.AGENT, id=agent_id, studio_id=studio_id)

    @classmethod
    def system(cls, job: str) -> "Actor":
        """Returns the control plane itself as an actor, in `job`."""
        return cls(ActorKind.SYSTEM, job=job)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id or self.job}"
