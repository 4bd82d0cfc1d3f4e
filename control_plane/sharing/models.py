"""Tables of sharing: EgressPolicy, EgressUse."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned

DEFAULT_LINK_DAYS = 7
LONGEST_LINK_DAYS = 90
MOST_GB_PER_DAY = 100_000


class PinRule(models.TextChoices):
    """When a share link needs a PIN. Where a minor appears it always does."""

    MINORS = "minors", "Where a minor appears"
    ALWAYS = "always", "Always"


class EgressPolicy(StudioOwned):
    """Rules of one studio for footage that leaves it. A studio without a row has the defaults.

    `longest_link_days`: the longest life of a share link. `networks`: the only networks, in CIDR notation, that footage goes
    to; empty: any. `gb_per_day`: gigabytes (10^9 bytes) that may leave within a day of the studio's zone; null: no limit.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    share_enabled = models.BooleanField(default=True)
    export_enabled = models.BooleanField(default=True)
    longest_link_days = models.PositiveSmallIntegerField(
        default=DEFAULT_LINK_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_LINK_DAYS)],
    )
    pin_rule = models.CharField(max_length=8, choices=PinRule.choices, default=PinRule.MINORS)
    networks = models.JSONField(default=list, blank=True)
    gb_per_day = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_GB_PER_DAY)]
    )

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="sharing_egresspolicy_once_per_studio")
        ]

    def __str__(self) -> str:
        return f"{self.studio_id}"


class EgressUse(StudioOwned):
    """Bytes that left the studio on one day because of one view or export, `source_id`.

    One row per source, so that viewers do not wait for each other's transactions.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    day = models.DateField(editable=False)
    source_id = models.UUIDField(editable=False)
    size_bytes = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "day", "source_id"], name="sharing_egressuse_once")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.size_bytes}"
