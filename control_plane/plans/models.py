"""Tables of plans: Plan (of the platform) and StudioPlan."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned, UUIDModel


class Limit(models.TextChoices):
    """Quantities that a plan limits per studio. The value is also the name of the column.

    Plans can contain `ANALYSES_PER_MONTH` already; nothing counts against it until analyses are offered.
    """

    AGENTS = "agents", "Agents"
    CAMERAS = "cameras", "Cameras"
    MEMBERS = "members", "People"
    STORAGE_BYTES = "storage_bytes", "Platform storage"
    ANALYSES_PER_MONTH = "analyses_per_month", "Analyses a month (none are offered yet)"
    API_PER_MINUTE = "api_per_minute", "API requests a minute"


class Plan(UUIDModel):
    """Limits that the platform sets for studios; null: no limit. Operators create plans, all studios may read them.

    `soft_percent`: share of the storage at which admins are warned. `contact`: whom they ask for more.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    agents = models.PositiveIntegerField(null=True, blank=True)
    cameras = models.PositiveIntegerField(null=True, blank=True)
    members = models.PositiveIntegerField(null=True, blank=True)
    storage_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    analyses_per_month = models.PositiveIntegerField(null=True, blank=True)
    api_per_minute = models.PositiveIntegerField(null=True, blank=True)
    soft_percent = models.PositiveSmallIntegerField(
        default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    contact = models.CharField(max_length=120, blank=True)
    is_default = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="plans_plan_one_default",
            )
        ]

    def __str__(self) -> str:
        return self.name


class StudioPlan(StudioOwned):
    """The plan of a studio. `overrides` replaces some of its limits: `{limit: number or null}`."""

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    overrides = models.JSONField(default=dict, blank=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="plans_plan_once_per_studio")
        ]

    def __str__(self) -> str:
        return f"{self.plan_id}"
