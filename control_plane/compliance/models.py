"""Tables of compliance: checkpoints and their copies; settings, cursor and known networks of anomaly rules; alerts."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned, UUIDModel
from control_plane.common.scoping import CapabilityManager


class Checkpoint(UUIDModel):
    """The signed heads of all chains at one instant. `body` is the file as it was copied to the sinks.

    Numbers have no gaps; each checkpoint contains the SHA-256 of the previous one. Read and written only under the
    capability `platform_checkpoints`, because the body lists all studios.
    """

    number = models.BigIntegerField(unique=True, editable=False)
    taken_at = models.DateTimeField(editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    body = models.TextField(editable=False)

    objects: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta:
        base_manager_name = "objects"
        ordering: ClassVar = ["-number"]

    def __str__(self) -> str:
        return f"checkpoint {self.number}"


class CheckpointCopy(UUIDModel):
    """A copy of a checkpoint in a sink. Without a row it has not been copied yet."""

    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, related_name="copies", editable=False
    )
    sink = models.CharField(max_length=200, editable=False)

    objects: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta:
        base_manager_name = "objects"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["checkpoint", "sink"], name="compliance_copy_once")
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint_id} in {self.sink}"


def _limit(default: int, low: int, high: int, label: str) -> "models.PositiveIntegerField[int, int]":
    return models.PositiveIntegerField(
        label, default=default, validators=[MinValueValidator(low), MaxValueValidator(high)]
    )


class AnomalyThresholds(StudioOwned):
    """Thresholds of the anomaly rules in one studio; the defaults apply without a row. 0 turns a rule off."""

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    classes_per_hour = _limit(12, 0, 1000, "different classes by one person within an hour")
    night_from_hour = _limit(22, 0, 23, "night begins at (hour)")
    night_to_hour = _limit(6, 0, 23, "night ends at (hour)")
    watch_nights = models.BooleanField("reads of footage at night", default=True)
    watch_networks = models.BooleanField("the first read from a new network", default=True)
    watch_other_families = models.BooleanField(
        "a family that opens a class without its dancers", default=True
    )
    watch_break_glass = models.BooleanField("support staff that opens the studio", default=True)
    failed_signins_per_hour = _limit(10, 0, 1000, "failed sign-ins to one account within an hour")
    exports_per_hour = _limit(5, 0, 1000, "exports by one person within an hour")

    class Meta(StudioOwned.Meta):
        verbose_name_plural = "anomaly thresholds"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="compliance_anomaly_thresholds_once")
        ]

    def __str__(self) -> str:
        return f"anomaly thresholds of {self.studio_id}"


class AnomalyCursor(StudioOwned):
    """Sequence of the last audit event of a studio that the anomaly rules have checked."""

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    sequence = models.BigIntegerField(default=0, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="compliance_anomaly_cursor_once")
        ]

    def __str__(self) -> str:
        return str(self.sequence)


class KnownNetwork(StudioOwned):
    """A network that one person has read from. `network` is the keyed hash that audit events contain."""

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    person_id = models.UUIDField(editable=False)
    network = models.CharField(max_length=16, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "person_id", "network"], name="compliance_network_once")
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.network}"


class Alert(StudioOwned):
    """One anomaly; append-only. `occasion` is unique, so that it raises one alert however often it is found.

    `person_id` null: no particular person. `sequence`: the audit event that raised it, 0 without one.
    """

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    rule = models.CharField(max_length=32, editable=False)
    person_id = models.UUIDField(null=True, editable=False)
    occasion = models.CharField(max_length=120, editable=False)
    raised_at = models.DateTimeField(editable=False)
    sequence = models.BigIntegerField(default=0, editable=False)
    facts = models.JSONField(default=dict, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-raised_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "occasion"], name="compliance_alert_once")
        ]
        indexes: ClassVar = [models.Index(fields=["studio", "-raised_at"], name="compliance_alert_latest")]

    def __str__(self) -> str:
        return f"{self.rule} {self.raised_at:%Y-%m-%d %H:%M}"


class AlertAcknowledgement(StudioOwned):
    """A person has looked into an alert; append-only."""

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    alert = models.OneToOneField(
        Alert, on_delete=models.PROTECT, related_name="acknowledgement", editable=False
    )
    acknowledged_by = models.UUIDField(editable=False)
    note = models.CharField(max_length=500, blank=True, editable=False)

    def __str__(self) -> str:
        return f"{self.alert_id} by {self.acknowledged_by}"


class AlertNotice(StudioOwned):
    """An alert has been mailed to `recipients` admins; append-only."""

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    alert = models.OneToOneField(Alert, on_delete=models.PROTECT, related_name="notice", editable=False)
    recipients = models.PositiveSmallIntegerField(editable=False)

    def __str__(self) -> str:
        return f"{self.alert_id} to {self.recipients}"
