"""Tables of ingest: PendingSegment and QuarantinedSegment."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned
from shared.protocol.codec import decode
from shared.protocol.manifest import SegmentManifest


class PendingSegment(StudioOwned):
    """A segment that was announced and is not committed. Its id is the `SegmentId` of the wire. Deleted at the commit.

    `store` is the store of its last upload target (null: the platform's own). `manifest_json` is the received
    `SegmentManifest` without its `sealed_key`: in a backup that would open with the studio's key alone, even after the class
    was shredded. `wrapped_seal` is the sealed key under the class key (`keys.vault`); empty: an older row, whose manifest is
    complete.
    """

    view_permission = "view_agents"
    access_path = STUDIO_ONLY

    agent = models.ForeignKey("fleet.Agent", on_delete=models.PROTECT, related_name="+", editable=False)
    class_session = models.ForeignKey(
        "recordings.ClassSession", on_delete=models.CASCADE, related_name="+", editable=False
    )
    sha256 = models.CharField(max_length=64, editable=False)
    size_bytes = models.PositiveBigIntegerField(editable=False)
    store = models.ForeignKey(
        "storage.StudioStore", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    object_key = models.CharField(max_length=255, editable=False)
    manifest_json = models.TextField(editable=False)
    wrapped_seal = models.BinaryField(default=b"", editable=False)

    def __str__(self) -> str:
        return str(self.id)

    @property
    def manifest(self) -> SegmentManifest:
        """The announced manifest, decoded."""
        return decode(self.manifest_json, SegmentManifest)


class QuarantinedSegment(StudioOwned):
    """A manifest that was permanently refused, for example because its sequence number has other content. Kept for
    operators.

    Its `sealed_key` is blanked: the agent keeps the footage, and with it the only copy of that key.
    """

    view_permission = "view_agents"
    access_path = STUDIO_ONLY

    agent = models.ForeignKey("fleet.Agent", on_delete=models.PROTECT, related_name="+", editable=False)
    segment_id = models.UUIDField(editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    code = models.CharField(max_length=40, editable=False)
    detail = models.TextField(blank=True, editable=False)
    manifest_json = models.TextField(editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "segment_id", "sha256"], name="ingest_quarantined_once")
        ]

    def __str__(self) -> str:
        return str(self.segment_id)
