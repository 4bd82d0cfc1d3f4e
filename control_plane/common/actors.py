"""Who does something: every write and every decision takes an `Actor`."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ActorKind(StrEnum):
    """A person who signed in, an enrolled box, or the control plane itself."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as a value; holds ids, never names or rows.

    `id` is the user's or the agent's id and None for the system. `studio_id` is set for an agent only: it belongs to
    one studio. `job` names the part of the system that acts, such as `ingest.sweep_uploads`, or the key of the program
    that acts for a person; `only` is what that key lends of the person's rights (values of `access.Action`), None: all.
    """

    kind: ActorKind
    id: UUID | None = None
    studio_id: UUID | None = None
    job: str = ""
    only: frozenset[str] | None = None

    @classmethod
    def user(cls, user_id: UUID) -> "Actor":
        """Returns a person."""
        return cls(ActorKind.USER, id=user_id)

    @classmethod
    def agent(cls, agent_id: UUID, *, studio_id: UUID) -> "Actor":
        """Returns an enrolled box of one studio."""
        return cls(ActorKind.AGENT, id=agent_id, studio_id=studio_id)

    @classmethod
    def system(cls, job: str) -> "Actor":
        """Returns the control plane itself, acting in `job`."""
        return cls(ActorKind.SYSTEM, job=job)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id or self.job}"
