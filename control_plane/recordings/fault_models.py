"""Tables of the check of the stores: SegmentFault, StoreRound."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import StudioOwned


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


class Depth(models.TextChoices):
    """How closely an object is looked at; each includes those before it. The same words as the box's `spool-check`."""

    PRESENCE = "presence", "Is it there"
    SIZE = "size", "Is it whole"
    HASH = "hash", "Is it what was written"


class StoreRound(StudioOwned):
    """How far the nightly check is in its present round through one store, at one depth.

    It goes by the ids of the segments: all up to `after` (null: none) were looked at since `begun_at`. `finished_at` is
    the end of the last round that went through all of them (null: there was none yet).
    """

    store = models.ForeignKey(
        "storage.StudioStore", null=True, on_delete=models.CASCADE, related_name="+", editable=False
    )
    depth = models.CharField(max_length=8, choices=Depth.choices, editable=False)
    after = models.UUIDField(null=True, editable=False)
    begun_at = models.DateTimeField(editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio", "store", "depth"], nulls_distinct=False, name="recordings_round_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.depth} {self.begun_at:%Y-%m-%d}"
