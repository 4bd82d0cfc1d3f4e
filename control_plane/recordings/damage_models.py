"""Table of damaged segments: SegmentDamage."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import AccessPath, StudioOwned
from control_plane.common.states import Stateful, Transitions


class DamageKind(models.TextChoices):
    """How the object of a segment differs from what was committed, as the integrity scan found it."""

    MISSING = "missing", "Missing"
    SIZE = "size", "Wrong size"
    HASH = "hash", "Wrong content"


class RepairState(models.TextChoices):
    """Progress of re-requesting a damaged segment from the agent that recorded it."""

    OPEN = "open", "Not requested"
    ASKED = "asked", "Requested from the agent"
    COMING = "coming", "Agent is sending it again"
    LOST = "lost", "Agent has no intact copy"


class SegmentDamage(StudioOwned, Stateful):
    """A committed segment whose object is missing or changed. Playback shows it as a gap and serves none of its bytes.

    The row is deleted when the object is intact again or was replaced by a new copy; the audit log keeps both events.
    `answered_at` is when the agent reported whether it has a copy, `notified_at` when the admins were mailed (null: not
    yet).
    """

    view_permission = "view_class"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")
    transitions = Transitions(
        {
            RepairState.OPEN: {RepairState.ASKED},
            RepairState.ASKED: {RepairState.COMING, RepairState.LOST},
            RepairState.COMING: {RepairState.ASKED},
            RepairState.LOST: {RepairState.ASKED},
        },
        field="repair",
    )

    segment = models.OneToOneField(
        "recordings.Segment", on_delete=models.CASCADE, related_name="damage", editable=False
    )
    class_session = models.ForeignKey(
        "recordings.ClassSession", on_delete=models.CASCADE, related_name="damages", editable=False
    )
    agent = models.ForeignKey("fleet.Agent", on_delete=models.PROTECT, related_name="+", editable=False)
    kind = models.CharField(max_length=8, choices=DamageKind.choices, editable=False)
    detail = models.CharField(max_length=200, editable=False)
    repair = models.CharField(
        max_length=8, choices=RepairState.choices, default=RepairState.OPEN, editable=False
    )
    answered_at = models.DateTimeField(null=True, editable=False)
    notified_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["created_at"]
        indexes: ClassVar = [models.Index(fields=["agent", "repair"], name="recordings_damage_repair")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.kind}"
