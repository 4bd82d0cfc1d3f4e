"""Tables of ingest: PendingSegment and QuarantinedSegment."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned
from shared.protocol.codec import decode
from shared.protocol.manifest import SegmentManifest


class PendingSegment(StudioOwned):
    """A segment that was announced and is not committed; the row's id is the wire's `SegmentId`. Gone after commit.

    `store` is where its bytes were last told to go (null: the platform's own). `manifest_json` is the
    `SegmentManifest` as it came, its `sealed_key` blanked: in a backup it would open with the studio's key alone, after
    the class was shredded. `wrapped_seal` is the sealed key under the class's key (`keys.vault`); empty: a row from
    before there was one, whose manifest is whole.
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
        """The manifest that the agent announced."""
        return decode(self.manifest_json, SegmentManifest)


class QuarantinedSegment(StudioOwned):
    """A manifest refused for good, such as one whose id or sequence number has other content. Kept for operators.

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
