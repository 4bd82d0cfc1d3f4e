"""Tables of the timetable: ClassType and Enrolment."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned


class ClassType(StudioOwned):
    """A class that a studio gives every week, such as "Ballet 2, Tuesdays". `ended_at` null: it is still given."""

    view_permission = "view_class"
    access_path = STUDIO_ONLY

    name = models.CharField(max_length=120)
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["name", "id"]
        verbose_name = "class type"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio", "name"],
                condition=models.Q(ended_at__isnull=True),
                name="recordings_classtype_name_once",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Enrolment(StudioOwned):
    """One dancer attends one class type every week, from `starts_at` until `ends_at` (null: no end; itself excluded)."""

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    class_type = models.ForeignKey(
        ClassType, on_delete=models.CASCADE, related_name="enrolments", editable=False
    )
    dancer = models.ForeignKey(
        "people.Dancer", on_delete=models.CASCADE, related_name="enrolments", editable=False
    )
    starts_at = models.DateTimeField(editable=False)
    ends_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["starts_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["class_type", "dancer"],
                condition=models.Q(ends_at__isnull=True),
                name="recordings_enrolment_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True) | models.Q(ends_at__gte=models.F("starts_at")),
                name="recordings_enrolment_ends_after_start",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["dancer", "class_type"], name="recordings_enrolment_of")]

    def __str__(self) -> str:
        return f"{self.dancer_id} in {self.class_type_id}"
