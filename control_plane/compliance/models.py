"""Tables of compliance: Checkpoint, CheckpointCopy, WatchRules, WatchCursor, KnownNetwork, Alert and what follows it."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned, UUIDModel
from control_plane.common.scoping import CapabilityManager


class Checkpoint(UUIDModel):
    """The signed ends of all chains at one instant; `body` is the file as it left this machine.

    Numbers have no gap; each names the SHA-256 of the one before. Read and written under capability
    `platform_checkpoints` only: the body lists all studios.
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
    """That one checkpoint has reached one place; no row: not yet."""

    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, related_name="copies", editable=False
    )
    place = models.CharField(max_length=200, editable=False)

    objects: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta:
        base_manager_name = "objects"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["checkpoint", "place"], name="compliance_copy_once")
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint_id} in {self.place}"


def _limit(default: int, low: int, high: int, label: str) -> "models.PositiveIntegerField[int, int]":
    return models.PositiveIntegerField(
        label, default=default, validators=[MinValueValidator(low), MaxValueValidator(high)]
    )


class WatchRules(StudioOwned):
    """From when on reading is out of the ordinary in one studio; no row: as the defaults say. 0 turns a rule off."""

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
        verbose_name_plural = "watch rules"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="compliance_watch_rules_once")
        ]

    def __str__(self) -> str:
        return f"watch rules of {self.studio_id}"


class WatchCursor(StudioOwned):
    """Up to which entry the log of one studio has been looked through."""

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    sequence = models.BigIntegerField(default=0, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="compliance_watch_cursor_once")
        ]

    def __str__(self) -> str:
        return str(self.sequence)


class KnownNetwork(StudioOwned):
    """A network that one person has read from; `network` is the keyed hash of it that audit entries hold."""

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
    """One thing out of the ordinary; append-only. `occasion` makes it one alert however often it is noticed.

    `person_id` null: nobody in particular. `sequence` is the entry that raised it, 0 where it was no entry.
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
    """Somebody has looked into an alert; append-only."""

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
    """An alert has been mailed to the admins, `recipients` of them; append-only."""

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    alert = models.OneToOneField(Alert, on_delete=models.PROTECT, related_name="notice", editable=False)
    recipients = models.PositiveSmallIntegerField(editable=False)

    def __str__(self) -> str:
        return f"{self.alert_id} to {self.recipients}"
