"""Facts that apps above hand to access: each is a small Protocol, set once when its app is ready."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db.models import Q


class GuardianSource(Protocol):
    """Knows which classes show the dancers that somebody answers for."""

    def owners(self, class_id: UUID | None, user_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns who of `user_ids` may count a class as their own dancers'."""

    def owned(self, user_id: UUID, class_path: str, now: datetime) -> Q:
        """Returns the same as a condition on rows that belong to the class at `class_path`."""


class SigninPolicySource(Protocol):
    """Knows what the studio in scope asks of a sign-in."""

    def admins_need_second_factor(self) -> bool:
        """Returns whether admins have to have a second factor."""


class NoGuardians:
    """Without the app of guardians nobody answers for anybody."""

    def owners(self, class_id: UUID | None, user_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns nobody."""
        return set()

    def owned(self, user_id: UUID, class_path: str, now: datetime) -> Q:
        """Returns a condition that no row meets."""
        return Q(pk__in=[])


class StrictPolicy:
    """Without the app of sign-in policies, the stricter answer."""

    def admins_need_second_factor(self) -> bool:
        """Returns True."""
        return True


guardians: GuardianSource = NoGuardians()
signin_policy: SigninPolicySource = StrictPolicy()
