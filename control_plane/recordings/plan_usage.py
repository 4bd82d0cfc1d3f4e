"""Usage of a studio against the limits of its plan: counts only, no names of classes, cameras or people."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from control_plane.audit.services import record
from control_plane.common import mail
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.fleet.selectors import count_agents, count_cameras
from control_plane.plans.audit_events import QUOTA_WARNED
from control_plane.plans.models import Limit
from control_plane.plans.quotas import Allowance, allowance, format_amount
from control_plane.plans.services import require_operator
from control_plane.recordings.selectors import stored_bytes
from control_plane.storage.services import lock_storage
from control_plane.tenancy.models import Membership, Studio
from control_plane.tenancy.selectors import admin_addresses, studio_ids

SYSTEM = Actor.system("recordings.warn_of_full_storage")
WARNING_INTERVAL = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """Usage of one limit. `most` None: no limit. `used` None: a rate, which is not counted."""

    limit: Limit
    used: int | None
    most: int | None
    soft: int | None

    @property
    def label(self) -> str:
        """The name of the limit."""
        return str(self.limit.label)

    @property
    def percent(self) -> int:
        """Used share in percent, at most 100; 0 if there is no limit."""
        if self.used is None or self.most is None:
            return 0
        return 100 if not self.most else min(100, self.used * 100 // self.most)

    @property
    def state(self) -> str:
        """`full`, `near`, `fine` or `free`."""
        if self.most is None or self.used is None:
            return "free"
        if self.used >= self.most:
            return "full"
        return "near" if self.soft is not None and self.used >= self.soft else "fine"

    @property
    def used_text(self) -> str:
        """The used amount as text; empty for a rate."""
        return "" if self.used is None else format_amount(self.limit, self.used)

    @property
    def most_text(self) -> str:
        """The limit as text."""
        return "no limit" if self.most is None else format_amount(self.limit, self.most)


@dataclass(frozen=True, slots=True)
class StudioUsage:
    """The usage of one studio, for the list of operators."""

    id: UUID
    slug: str
    name: str
    plan: str
    uses: list[LimitUsage]


def limit_usages(found: Allowance | None = None) -> list[LimitUsage]:
    """Returns the limits of the studio in scope with the usage of each. Analyses are not counted yet."""
    found = found or allowance()
    counted: dict[Limit, int | None] = {
        Limit.AGENTS: count_agents(),
        Limit.CAMERAS: count_cameras(),
        Limit.MEMBERS: Membership.objects.count(),
        Limit.STORAGE_BYTES: stored_bytes(),
        Limit.API_PER_MINUTE: None,
    }
    return [
        LimitUsage(limit, used, found.most(limit), found.warn_from(limit)) for limit, used in counted.items()
    ]


def list_studio_usage(*, actor: Actor, first: int = 0, most: int = 50) -> list[StudioUsage]:
    """Returns the usage of up to `most` studios, starting at `first`, for operators. Counts only.

    Raises:
        NotFound: `actor` is not an operator.
    """
    require_operator(actor)
    listed = []
    for studio_id in studio_ids("plan usage")[first : first + most]:
        with studio_scope(UUID(str(studio_id))):
            studio, found = Studio.objects.get(), allowance()
            listed.append(StudioUsage(studio.id, studio.slug, studio.name, found.plan, limit_usages(found)))
    return listed


def warn_when_nearly_full(studio_id: UUID) -> bool:
    """Mails a studio's admins when its storage quota is nearly used, at most once a week; returns whether it did."""
    with studio_scope(studio_id):
        found = allowance()
        soft, most = found.warn_from(Limit.STORAGE_BYTES), found.most(Limit.STORAGE_BYTES)
        used = stored_bytes() if most is not None else 0
        if soft is None or most is None or used < soft:
            return False
        row, now = lock_storage(studio_id), timezone.now()
        if row.warned_at is not None and row.warned_at > now - WARNING_INTERVAL:
            return False
        row.warned_at = now
        row.save(update_fields=["warned_at"])
        record(
            QUOTA_WARNED,
            actor=SYSTEM,
            studio_id=studio_id,
            object_type="tenancy.Studio",
            object_id=studio_id,
            details={"limit": Limit.STORAGE_BYTES.value, "used": used, "most": most},
        )
        _notify_admins(Studio.objects.get(), used, most, found.contact)
    return True


def _notify_admins(studio: Studio, used: int, most: int, contact: str) -> None:
    mail.send_on_commit(
        "recordings/mail/storage_nearly_full",
        {
            "used": format_amount(Limit.STORAGE_BYTES, used),
            "included": format_amount(Limit.STORAGE_BYTES, most),
            "studio": studio.name,
            "contact": contact,
            "page": f"{settings.PUBLIC_URL}/studio/{studio.slug}/settings/storage/",
        },
        to=admin_addresses(),
        time_zone=studio.time_zone,
    )
