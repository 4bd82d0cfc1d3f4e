"""Facts that apps above hand to access. Access imports none of these apps; each registers when Django is ready."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from django.db.models import Q
from django.utils.functional import Promise

from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role


class Facts(Protocol):
    """One fact about a person and an object, in two forms that must agree.

    Objects are given by the labels of `model_access` (class, room, studio): those that the object is, or belongs to. A
    label is missing where the object belongs to no such thing. Both methods run inside `studio_scope`.
    """

    def holders(self, on: Mapping[str, UUID], user_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns the people among `user_ids` for whom the fact is true of the object; at most one query.

        Args:
            on: the ids of the object and of what it belongs to, by label. The studio is always among them.
        """

    def condition(self, user_id: UUID, paths: Mapping[str, str], now: datetime) -> Q:
        """Returns the condition on a row under which the fact is true of it and of `user_id`.

        Args:
            paths: ORM paths from the row to what it belongs to, by label. The studio is never among them: all rows are
                of the studio in scope.
        """


class FactEffect(StrEnum):
    """How the rule uses a fact."""

    OWN = "own"
    """Extends the permissions that a role has on a person's own objects only (`roles.OWN_ONLY`) to an object."""
    GRANT = "grant"
    """Allows a member, within the maximum of their role, as a grant on the object would."""
    VETO = "veto"
    """Refuses every person, break-glass access included, but for members in the roles that the source spares."""


@dataclass(frozen=True, slots=True, eq=False)
class FactSource:
    """A registered fact.

    Args:
        code: the reason code of decisions that the fact makes.
        actions: the permissions that the fact bears on; None: all. No other question reads it.
        text: the reason as a sentence, translatable. A refused person may read it.
        spared: for a veto, the roles whose members it does not bear on; such a decision reads no fact.
    """

    code: str
    effect: FactEffect
    facts: Facts
    text: str | Promise
    actions: frozenset[StudioPermission] | None = None
    spared: frozenset[Role] = frozenset()

    def bears_on(self, action: StudioPermission) -> bool:
        """Whether the fact has an effect on decisions about `action`."""
        return self.actions is None or action in self.actions


class SigninPolicySource(Protocol):
    """Knows what the studio in scope requires of a sign-in."""

    def admins_need_second_factor(self) -> bool:
        """Returns whether admins must have a second factor."""


class StrictPolicy:
    """The stricter answer, for installations without the app of sign-in policies."""

    def admins_need_second_factor(self) -> bool:
        """Returns True."""
        return True


signin_policy: SigninPolicySource = StrictPolicy()
_registered: tuple[FactSource, ...] = ()


def register(source: FactSource) -> None:
    """Adds a fact to the rule; call it from `AppConfig.ready`.

    Raises:
        ValueError: the code is already in use.
    """
    global _registered  # replaced as a whole, so that a reader never sees half a change
    if by_code(source.code) is not None:
        raise ValueError(f"a fact source with the code {source.code!r} is already registered")
    _registered = (*_registered, source)


def registered() -> tuple[FactSource, ...]:
    """Returns all fact sources, in the order of registration."""
    return _registered


def by_code(code: str) -> FactSource | None:
    """Returns the fact source with this reason code; None: there is none."""
    return next((source for source in _registered if source.code == code), None)


@contextmanager
def only(*sources: FactSource) -> Iterator[None]:
    """Replaces all registered sources for the length of a `with`; for tests."""
    global _registered
    before, _registered = _registered, sources
    try:
        yield
    finally:
        _registered = before
