"""The answer to "what do you have of my child?", for the people who answer for a dancer: classes, links, consents, requests.

Nothing in it names another family: links are counted, and requests are shown without their requester and notes.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.audit_events import FAMILY_REPORT_READ
from control_plane.data_requests.models import DataRequest
from control_plane.people.models import Dancer, Guardianship
from control_plane.recordings.models import Appearance, ClassSession
from control_plane.retention.planning import plan_studio
from control_plane.sharing.models import ShareLink
from control_plane.sharing.selectors import active
from control_plane.tenancy.models import Studio

MOST_CLASSES = 200
MOST_REQUESTS = 50


@dataclass(frozen=True, slots=True)
class ShownClass:
    """A class that shows the dancer.

    Attributes:
        exists: whether its recording still exists.
        may_watch: whether the reader may open its page.
        deleted_on: when its recording is deleted; None: no date.
        links: how many share links of it can be opened now.
        last_link_ends_at: when the last of them ends.
    """

    class_session: ClassSession
    exists: bool
    may_watch: bool
    deleted_on: datetime | None
    links: int
    last_link_ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """A dancer's classes and requests. `more`: there are older classes."""

    dancer: Dancer
    classes: list[ShownClass]
    more: bool
    requests: list[DataRequest]

    @property
    def links(self) -> int:
        """How many share links show the dancer now."""
        return sum(shown.links for shown in self.classes)

    @property
    def recordings(self) -> int:
        """How many recordings exist."""
        return sum(shown.exists for shown in self.classes)


def family_report(dancer: Dancer, *, reader: Actor) -> FamilyReport:
    """Returns what the studio has of a dancer, and writes an audit event about it.

    Only classes whose roster is confirmed: another one does not say that the dancer was there.

    Raises:
        NotFound: `reader` is no member who answers for the dancer.
    """
    now = timezone.now()
    with studio_scope(dancer.studio_id):
        own = Guardianship.objects.filter(
            dancer_id=dancer.pk, user_id=reader.id, ended_at__isnull=True, started_at__lte=now
        )
        if access.role_of(reader, dancer.studio_id) is None or not own.exists():
            raise NotFound
        record_for(FAMILY_REPORT_READ, dancer, actor=reader)
        rows = Appearance.objects.filter(dancer_id=dancer.pk, confirmed_at__isnull=False)
        latest = rows.select_related("class_session__room").order_by("-class_session__requested_at")
        found = [row.class_session for row in latest[: MOST_CLASSES + 1]]
        return FamilyReport(
            dancer,
            _shown(found[:MOST_CLASSES], reader, now),
            len(found) > MOST_CLASSES,
            list(DataRequest.objects.filter(dancer_id=dancer.pk)[:MOST_REQUESTS]),
        )


def _shown(classes: list[ClassSession], reader: Actor, now: datetime) -> list[ShownClass]:
    ids = [row.id for row in classes]
    links = _links(ids, now)
    plan = plan_studio(Studio.objects.get(), class_ids=ids, now=now)
    dates = {verdict.item.id: verdict.due_at for verdict in plan.verdicts}
    visible = access.visible(reader, ClassSession).filter(pk__in=ids)
    opened = set(visible.values_list("pk", flat=True))
    return [
        ShownClass(
            row,
            bool(row.wrapped_key),
            row.id in opened,
            dates.get(row.id),
            *links.get(row.id, (0, None)),
        )
        for row in classes
    ]


def _links(class_ids: list[UUID], now: datetime) -> dict[UUID, tuple[int, datetime]]:
    """Returns how many links of each class can be opened, and when the last one ends."""
    rows = ShareLink.objects.filter(active(now), class_session_id__in=class_ids).order_by()
    counted = rows.values("class_session_id").annotate(count=Count("pk"), ends_at=Max("expires_at"))
    return {row["class_session_id"]: (row["count"], row["ends_at"]) for row in counted}
