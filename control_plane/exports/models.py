"""Tables of exports: Export, ExportPart."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy

from control_plane.common.leases import Leased
from control_plane.common.models import AccessPath, StudioOwned
from control_plane.common.states import Stateful, Transitions


class ExportState(models.TextChoices):
    """Progress of an export."""

    WAITING = "waiting", gettext_lazy("Waits for approval")
    QUEUED = "queued", gettext_lazy("Queued")
    RUNNING = "running", gettext_lazy("Running")
    READY = "ready", gettext_lazy("Ready")
    FAILED = "failed", gettext_lazy("Failed")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")
    EXPIRED = "expired", gettext_lazy("Expired")


OPEN = (ExportState.WAITING, ExportState.QUEUED, ExportState.RUNNING)
KEPT = (*OPEN, ExportState.READY)
"""States in which there is, or will be, a package."""


class Failure(models.TextChoices):
    """Why an export failed."""

    REFUSED = "refused", gettext_lazy("Not allowed any more: a permission, a consent or a rule has changed.")
    DAMAGED = "damaged", gettext_lazy("A part of the footage is damaged. Choose another part or camera.")
    EMPTY = "empty", gettext_lazy("There is no footage in this part.")
    STORE = "store", gettext_lazy("The store of footage did not answer. Try again later.")
    BROKEN = "broken", gettext_lazy("It could not be written. Try another part or camera.")


class Export(StudioOwned, Leased, Stateful):
    """One package of files of a class, or a part of it.

    `from_at`, `to_at` null: its start, its end. `wrapped_key` is the key of the package, with a share of its own; empty:
    destroyed. `wrapped_content_key` encrypts the parts, and is new with each attempt. `done_bytes` of `total_bytes` of
    footage have been read. `size_bytes`: of the finished package in clear.
    """

    view_permission = "export"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")
    studio_wrapped = {"wrapped_key": "export"}
    transitions = Transitions(
        {
            ExportState.WAITING: {ExportState.QUEUED, ExportState.CANCELLED},
            ExportState.QUEUED: {ExportState.RUNNING, ExportState.CANCELLED, ExportState.FAILED},
            ExportState.RUNNING: {
                ExportState.QUEUED,
                ExportState.READY,
                ExportState.FAILED,
                ExportState.CANCELLED,
            },
            ExportState.READY: {ExportState.EXPIRED, ExportState.CANCELLED},
            ExportState.FAILED: (),
            ExportState.CANCELLED: (),
            ExportState.EXPIRED: (),
        }
    )

    class_session = models.ForeignKey(
        "recordings.ClassSession", on_delete=models.CASCADE, related_name="+", editable=False
    )
    requested_by = models.UUIDField(editable=False)
    approved_by = models.UUIDField(null=True, editable=False)
    track_ids = ArrayField(models.UUIDField(), editable=False)
    from_at = models.DateTimeField(null=True, editable=False)
    to_at = models.DateTimeField(null=True, editable=False)
    whole_fragments = models.BooleanField(default=False, editable=False)
    side_by_side = models.BooleanField(default=False, editable=False)
    burn_in_time = models.BooleanField(default=False, editable=False)
    with_roster = models.BooleanField(default=False, editable=False)
    state = models.CharField(
        max_length=10, choices=ExportState.choices, default=ExportState.WAITING, editable=False
    )
    failure = models.CharField(max_length=8, choices=Failure.choices, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    wrapped_content_key = models.BinaryField(default=b"", editable=False)
    done_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    total_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    size_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    downloads = models.PositiveIntegerField(default=0, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["studio", "state"], name="exports_of_state"),
            models.Index(fields=["class_session", "-created_at"], name="exports_of_class"),
        ]

    def __str__(self) -> str:
        return f"{self.class_session_id} {self.state}"

    @property
    def percent(self) -> int:
        """How much of its footage has been read."""
        return min(100, self.done_bytes * 100 // self.total_bytes) if self.total_bytes else 0


class ExportPart(StudioOwned):
    """One encrypted part of a package, an object in a store. The row is there before the object.

    `plain_bytes` 0: the object may be missing or incomplete. `sha256` is that of the object.
    """

    view_permission = "export"
    access_path = AccessPath(to_class="export__class_session_id", to_room="export__class_session__room_id")

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="parts", editable=False)
    number = models.PositiveIntegerField(editable=False)
    store = models.ForeignKey(
        "storage.StudioStore", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    object_key = models.CharField(max_length=255, editable=False)
    size_bytes = models.PositiveIntegerField(default=0, editable=False)
    plain_bytes = models.PositiveIntegerField(default=0, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["export", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["export", "number"], name="exports_part_once")
        ]

    def __str__(self) -> str:
        return f"{self.export_id} {self.number}"
