"""Which classes show a guardian's own dancers: the fact source of `access` for guardians."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from control_plane.access.decision import ReasonCode
from control_plane.access.model_access import CLASS
from control_plane.access.sources import FactEffect, FactSource
from control_plane.people.models import Dancer, Guardianship


class OwnDancers:
    """Reads guardianships and the confirmed rosters of classes. Both methods are one rule, in two forms."""

    def holders(self, on: Mapping[str, UUID], user_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns the people among `user_ids` who may count a class as their own dancers': one query.

        They are guardians of a dancer who is confirmed on its roster, and of every protected dancer in it.
        """
        class_id = on.get(CLASS)
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

    def condition(self, user_id: UUID, paths: Mapping[str, str], now: datetime) -> Q:
        """Returns the same as `holders` as a condition on rows that belong to a class."""
        if CLASS not in paths:
            return Q(pk__in=[])
        class_id = OuterRef(paths[CLASS])
        theirs = Guardianship.objects.filter(user_id=user_id, ended_at__isnull=True, started_at__lte=now)
        shown = Dancer.objects.filter(appearances__class_session_id=class_id)
        mine = Dancer.objects.filter(
            appearances__class_session_id=class_id,
            appearances__confirmed_at__isnull=False,
            pk__in=theirs.values("dancer_id"),
        )
        closed = shown.filter(protected=True).exclude(pk__in=theirs.values("dancer_id"))
        return Q(Exists(mine)) & ~Q(Exists(closed))


OWN_DANCERS = FactSource(
    code=ReasonCode.OWN_DANCER,
    effect=FactEffect.OWN,
    facts=OwnDancers(),
    text=_("Guardian of a dancer in this class."),
)
