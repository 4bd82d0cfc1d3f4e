"""Source of facts for `access`: the people who answer for a dancer in a class."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q

from control_plane.people.models import Dancer, Guardianship


class Guardians:
    """Reads guardianships and confirmed rosters. Both methods are the same rule, for one class and as a query condition."""

    def owners(self, class_id: UUID | None, user_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns the users among `user_ids` who own a class, in one query.

        A user owns a class who answers for a dancer confirmed in it and for every protected dancer in it. So a protected
        dancer hides the class from all other families.
        """
        if class_id is None or not user_ids:
            return set()
        guardians = Guardianship.objects.filter(
            dancer_id=OuterRef("pk"), ended_at__isnull=True, started_at__lte=now, user_id__in=user_ids
        ).values("user_id")
        found: set[UUID] = set()
        wanted = set(user_ids)
        rows = Dancer.objects.filter(appearances__class_session_id=class_id).order_by()
        for protected, confirmed_at, theirs in rows.values_list(
            "protected", "appearances__confirmed_at", ArraySubquery(guardians)
        ):
            if confirmed_at is not None:
                found.update(theirs)
            if protected:
                wanted &= set(theirs)
        return found & wanted

    def owned(self, user_id: UUID, class_path: str, now: datetime) -> Q:
        """Returns the rule of `owners` as a condition on rows that belong to the class at `class_path`."""
        theirs = Guardianship.objects.filter(user_id=user_id, ended_at__isnull=True, started_at__lte=now)
        shown = Dancer.objects.filter(appearances__class_session_id=OuterRef(class_path))
        mine = Dancer.objects.filter(
            appearances__class_session_id=OuterRef(class_path),
            appearances__confirmed_at__isnull=False,
            pk__in=theirs.values("dancer_id"),
        )
        closed = shown.filter(protected=True).exclude(pk__in=theirs.values("dancer_id"))
        return Q(Exists(mine)) & ~Q(Exists(closed))
