"""Table of damaged segments: SegmentFault."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import AccessPath, StudioOwned


class FaultKind(models.TextChoices):
    """What is wrong with the object of a segment, as the check of the stores found it."""

    MISSING = "missing", "Missing"
    SIZE = "size", "Of another size"
    HASH = "hash", "Other bytes"


class RepairState(models.TextChoices):
    """How far the way back of a damaged segment is: whether its box was asked for it, and what it said."""

    OPEN = "open", "Not asked for"
    ASKED = "asked", "Its box is asked for it"
    COMING = "coming", "Its box sends it again"
    LOST = "lost", "Its box has no good copy"


class SegmentFault(StudioOwned):
    """A committed segment whose object is not what it was at its commit: it is a gap, and is served to nobody.

    The row goes when the object is good again, or another copy of it lies in its place; the record keeps both.
    `answered_at` is when the box said what it has of it, and `told_at` when the admins were mailed (null: not yet).
    """

    view_permission = "view_class"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")

    segment = models.OneToOneField(
        "recordings.Segment", on_delete=models.CASCADE, related_name="fault", editable=False
    )
    class_session = models.ForeignKey(
        "recordings.ClassSession", on_delete=models.CASCADE, related_name="faults", editable=False
    )
    agent = models.ForeignKey("fleet.Agent", on_delete=models.PROTECT, related_name="+", editable=False)
    kind = models.CharField(max_length=8, choices=FaultKind.choices, editable=False)
    detail = models.CharField(max_length=200, editable=False)
    repair = models.CharField(
        max_length=8, choices=RepairState.choices, default=RepairState.OPEN, editable=False
    )
    answered_at = models.DateTimeField(null=True, editable=False)
    told_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["created_at"]
        indexes: ClassVar = [models.Index(fields=["agent", "repair"], name="recordings_fault_asked")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.kind}"
