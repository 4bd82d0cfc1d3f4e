"""Tables of plans: Plan (the platform's), StudioPlan."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned, UUIDModel


class Limit(models.TextChoices):
    """What a plan limits, per studio. The value is also the column's name.

    `ANALYSES_PER_MONTH` is agreed in plans already; nothing counts against it until analyses are offered.
    """

    AGENTS = "agents", "Boxes"
    CAMERAS = "cameras", "Cameras"
    MEMBERS = "members", "People"
    STORAGE_BYTES = "storage_bytes", "Storage with us"
    ANALYSES_PER_MONTH = "analyses_per_month", "Analyses a month (none are offered yet)"
    API_PER_MINUTE = "api_per_minute", "API requests a minute"


class Plan(UUIDModel):
    """What the platform lets a studio have; null is no limit. Made by operators, read by all studios.

    `soft_percent`: from how much of the storage on its admins are warned. `contact`: whom they ask for more.
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
    """Which plan a studio has, and what was agreed beside it: `overrides` is `{limit: number or null}`."""

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
