"""Tells a family on the day on which its dancer comes of age: guardians' consents end, the dancer answers from now on.

The end of the consents itself needs no job: every question asks who signed, and how old the dancer is then.
"""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import DateField, F, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from control_plane.audit.services import record_for
from control_plane.common import mail
from control_plane.common.actors import Actor
from control_plane.people.audit_events import DANCER_OF_AGE
from control_plane.people.consent_services import studio_zone
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import members

TOLD_WITHIN = timedelta(days=30)
"""Later than that nobody is told: a date of birth that is corrected years after would send mails about the past."""
JOB = Actor.system("people.coming_of_age")


def due_dancers(studio_id: UUID, *, most: int) -> list[UUID]:
    """Returns dancers of the studio in scope who have come of age, and whose family is still to be told."""
    return list(_due(studio_id).order_by("adult_on", "id").values_list("pk", flat=True)[:most])


def tell_family(dancer_id: UUID, studio_id: UUID) -> bool:
    """Sends the mails about one dancer in scope, and returns whether it did; parallel calls send once.

    Raises:
        Unavailable: the mail server did not take one; the next call sends all of them again.
    """
    rows = _due(studio_id).select_for_update(skip_locked=True, of=("self",))
    dancer: Dancer | None = rows.filter(pk=dancer_id).first()
    if dancer is None:
        return False
    ties = Guardianship.objects.filter(dancer=dancer, ended_at__isnull=True)
    ties = ties.filter(user_id__in=members(timezone.now()).values("user_id")).select_related("user")
    own = sorted({tie.user.email for tie in ties if tie.relation == Relation.SELF})
    guardians = sorted({tie.user.email for tie in ties if tie.relation != Relation.SELF} - set(own))
    dancer.age_told_at = timezone.now()
    dancer.save(update_fields=["age_told_at"])
    record_for(DANCER_OF_AGE, dancer, actor=JOB, details={"people": len(own) + len(guardians)})
    studio = Studio.objects.get(pk=studio_id)
    for addresses, is_self in ((own, True), (guardians, False)):
        facts = {
            "studio": studio.name,
            "dancer": dancer.name,
            "is_self": is_self,
            "has_account": bool(own),
            "page": f"{settings.PUBLIC_URL}/studio/{studio.slug}/children/",
        }
        if addresses:
            mail.send("people/mail/of_age", facts, bcc=addresses, time_zone=studio.time_zone)
    return True


def _due(studio_id: UUID) -> QuerySet[Dancer]:
    zone = studio_zone(studio_id)
    today = timezone.localdate(timezone=zone)
    added_on = TruncDate("created_at", tzinfo=zone, output_field=DateField())
    answers = Guardianship.objects.filter(ended_at__isnull=True).values("dancer_id")
    rows: QuerySet[Dancer] = Dancer.objects.alias(added_on=added_on).filter(
        Q(adult_on__lte=today, adult_on__gt=today - TOLD_WITHIN),
        # Of somebody who was of age from the start, no guardian has consented.
        adult_on__gt=F("added_on"),
        age_told_at=None,
        left_at=None,
        pk__in=answers,
    )
    return rows
