"""Tables of clips: Clip, ClipSegment, ClipDancer, ClipReplay."""

from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from control_plane.common.models import STUDIO_ONLY, AccessPath, StudioOwned

LONGEST_DAYS = 365


class Clip(StudioOwned):
    """A part of a class that is kept on its own: between two instants, on some cameras.

    `wrapped_key` is its own key as wrapped by `keys.vault`; empty: destroyed. `timeline_json` says what it shows
    (`stored_timeline`); it is written once, because the class may be gone later. `expires_at`: it plays until then, and is
    then destroyed. `has_chosen_dancers`: it shows the dancers in `dancers`; false: everyone in the class.
    """

    view_permission = "view_class"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")
    studio_wrapped = {"wrapped_key": "clip"}

    class_session = models.ForeignKey(
        "recordings.ClassSession", on_delete=models.PROTECT, related_name="+", editable=False
    )
    title = models.CharField(max_length=120)
    created_by = models.UUIDField(editable=False)
    track_ids = ArrayField(models.UUIDField(), editable=False)
    from_at = models.DateTimeField(editable=False)
    to_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(editable=False)
    has_chosen_dancers = models.BooleanField(default=False, editable=False)
    timeline_json = models.TextField(editable=False)
    wrapped_key = models.BinaryField(editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["class_session", "-created_at"], name="clips_clip_of_class"),
            models.Index(fields=["studio", "-created_at"], name="clips_clip_of_studio"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(from_at__lt=models.F("to_at")), name="clips_clip_ends_after_its_start"
            )
        ]

    def __str__(self) -> str:
        return self.title

    def is_playable(self, now: datetime) -> bool:
        """Whether it has a key, and its date is not over."""
        return bool(self.wrapped_key) and now < self.expires_at


class ClipSegment(StudioOwned):
    """One segment of which a clip shows a fragment. `wrapped_key`: its content key under the key of the clip."""

    view_permission = "view_class"
    access_path = AccessPath(to_class="clip__class_session_id", to_room="clip__class_session__room_id")

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="segments", editable=False)
    segment = models.ForeignKey(
        "recordings.Segment", on_delete=models.PROTECT, related_name="+", editable=False
    )
    wrapped_key = models.BinaryField(editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clip", "segment"], name="clips_clipsegment_once")
        ]

    def __str__(self) -> str:
        return f"{self.clip_id} {self.segment_id}"


class ClipDancer(StudioOwned):
    """One dancer whom a clip shows, where its maker chose them."""

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="dancers", editable=False)
    dancer = models.ForeignKey("people.Dancer", on_delete=models.PROTECT, related_name="+", editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clip", "dancer"], name="clips_clipdancer_once")
        ]

    def __str__(self) -> str:
        return f"{self.dancer_id} in {self.clip_id}"


class ClipReplay(StudioOwned):
    """One person playing one clip. `entry_id`: the audit event. `seen_at`: the last request for a key or playlist."""

    view_permission = "view_audit"
    access_path = STUDIO_ONLY

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="+", editable=False)
    viewer_id = models.UUIDField(editable=False)
    entry_id = models.UUIDField(editable=False)
    seen_at = models.DateTimeField(editable=False)

    class Meta(StudioOwned.Meta):
        indexes: ClassVar = [
            models.Index(fields=["clip", "viewer_id", "-seen_at"], name="clips_replay_latest")
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} {self.seen_at}"
