"""Tables of retention: RetentionPolicy, RetentionRule, RetentionHold, RetentionRun, RetentionRunItem."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from control_plane.common.leases import Leased
from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.common.states import Stateful, Transitions
from control_plane.retention.evaluator import DEFAULT_MINORS_DAYS

DAYS = (MinValueValidator(1), MaxValueValidator(3650))
VIEW = "manage_retention"


class Preset(models.TextChoices):
    """Regional defaults; `presets` explains them."""

    UK_EU = "uk_eu", "United Kingdom and European Union"
    US_COPPA = "us_coppa", "United States (COPPA)"
    NONE = "none", "No preset"


class DataKind(models.TextChoices):
    """The kind of data of a rule."""

    FOOTAGE = "footage", "Recordings"
    CLIPS = "clips", "Clips"


class RetentionPolicy(StudioOwned):
    """The decision of a studio; without a row nobody has decided, and nothing is deleted by date.

    `adults_days` null: without end.
    """

    view_permission = VIEW
    access_path = STUDIO_ONLY

    preset = models.CharField(max_length=12, choices=Preset.choices, default=Preset.UK_EU)
    minors_days = models.PositiveSmallIntegerField(default=DEFAULT_MINORS_DAYS, validators=DAYS)
    adults_days = models.PositiveSmallIntegerField(null=True, blank=True, validators=DAYS)
    confirmed_at = models.DateTimeField(editable=False)
    confirmed_by = models.UUIDField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        verbose_name_plural = "retention policies"
        constraints: ClassVar = [models.UniqueConstraint(fields=["studio"], name="retention_policy_once")]

    def __str__(self) -> str:
        return self.preset


class RetentionRule(StudioOwned):
    """How long one kind of data is kept. `room`, `class_type` null: any. `days` null: without end, for adults only.

    `adults_only`: it does not apply where minors appear or may appear.
    """

    view_permission = VIEW
    access_path = STUDIO_ONLY

    kind = models.CharField(max_length=16, choices=DataKind.choices, default=DataKind.FOOTAGE)
    room = models.ForeignKey(
        "tenancy.Room", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    class_type = models.ForeignKey(
        "recordings.ClassType", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    days = models.PositiveSmallIntegerField(null=True, blank=True, validators=DAYS)
    adults_only = models.BooleanField(default=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio", "kind", "room", "class_type", "adults_only"],
                nulls_distinct=False,
                name="retention_rule_once",
            ),
            models.CheckConstraint(
                condition=Q(days__isnull=False) | Q(adults_only=True), name="retention_rule_minors_end"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.days or 'without end'}"


class HoldKind(models.TextChoices):
    """Why something is held."""

    LEGAL = "legal", "Legal hold"
    MANUAL = "manual", "Kept by a person"


class RetentionHold(StudioOwned):
    """Keeps one class from deletion by date, or all of the studio (`class_session` null), until `ends_at`.

    `ends_at` null: until somebody lifts it; of legal holds only. `lifted_at` null: it was not lifted.
    """

    view_permission = VIEW
    access_path = STUDIO_ONLY

    class_session = models.ForeignKey(
        "recordings.ClassSession", null=True, on_delete=models.CASCADE, related_name="+", editable=False
    )
    kind = models.CharField(max_length=8, choices=HoldKind.choices)
    reason = models.CharField(max_length=300)
    owner_id = models.UUIDField(editable=False)
    ends_at = models.DateTimeField(null=True, blank=True)
    lifted_at = models.DateTimeField(null=True, editable=False)
    lifted_by = models.UUIDField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["studio", "lifted_at"], name="retention_hold_open")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__isnull=False) | Q(kind=HoldKind.LEGAL), name="retention_hold_manual_ends"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.class_session_id or 'studio'}"


class RunState(models.TextChoices):
    """Progress of a run."""

    RUNNING = "running", "Running"
    WAITING = "waiting", "Waits for confirmation"
    DONE = "done", "Finished"
    CANCELLED = "cancelled", "Cancelled"


OPEN_RUNS = (RunState.RUNNING, RunState.WAITING)


class StopReason(models.TextChoices):
    """Why a run asks before it deletes."""

    TOO_MUCH = "too_much", "It would delete a large part of the studio's recordings."
    CLOCK = "clock", "The clock of the server may be wrong."


class RetentionRun(StudioOwned, Leased, Stateful):
    """One execution of a plan. `planned_at`: the database's time of the plan.

    `due_*` count the plan, `total_*` all that the studio has, `done_classes` what is deleted, `kept_classes` what was due
    at the plan and was not when its turn came, because of a hold, for example.
    """

    view_permission = VIEW
    access_path = STUDIO_ONLY
    transitions = Transitions(
        {
            RunState.WAITING: {RunState.RUNNING, RunState.CANCELLED},
            RunState.RUNNING: {RunState.DONE, RunState.CANCELLED},
            RunState.DONE: (),
            RunState.CANCELLED: (),
        }
    )

    state = models.CharField(
        max_length=12, choices=RunState.choices, default=RunState.WAITING, editable=False
    )
    stop_reason = models.CharField(max_length=12, choices=StopReason.choices, blank=True, editable=False)
    planned_at = models.DateTimeField(editable=False)
    requested_by = models.UUIDField(null=True, editable=False)
    confirmed_by = models.UUIDField(null=True, editable=False)
    due_classes = models.PositiveIntegerField(editable=False)
    due_bytes = models.PositiveBigIntegerField(editable=False)
    total_classes = models.PositiveIntegerField(editable=False)
    total_bytes = models.PositiveBigIntegerField(editable=False)
    done_classes = models.PositiveIntegerField(default=0, editable=False)
    kept_classes = models.PositiveIntegerField(default=0, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        verbose_name = "retention run"
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio"],
                condition=Q(state__in=[item.value for item in OPEN_RUNS]),
                name="retention_one_open_run",
            )
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.planned_at:%Y-%m-%d}"


class ItemState(models.TextChoices):
    """Progress of one class in a run."""

    PENDING = "pending", "Pending"
    DELETED = "deleted", "Deleted"
    KEPT = "kept", "Kept"


class RetentionRunItem(StudioOwned, Stateful):
    """One class in a run. `class_session_id` is no foreign key: the row outlives the class."""

    view_permission = VIEW
    access_path = STUDIO_ONLY
    transitions = Transitions(
        {
            ItemState.PENDING: {ItemState.DELETED, ItemState.KEPT},
            ItemState.DELETED: (),
            ItemState.KEPT: (),
        }
    )

    run = models.ForeignKey(RetentionRun, on_delete=models.CASCADE, related_name="items", editable=False)
    class_session_id = models.UUIDField(editable=False)
    due_at = models.DateTimeField(editable=False)
    days = models.PositiveSmallIntegerField(null=True, editable=False)
    rule_id = models.UUIDField(null=True, editable=False)
    state = models.CharField(
        max_length=8, choices=ItemState.choices, default=ItemState.PENDING, editable=False
    )
    why = models.CharField(max_length=12, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["due_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "class_session_id"], name="retention_item_once")
        ]

    def __str__(self) -> str:
        return f"{self.class_session_id} {self.state}"
