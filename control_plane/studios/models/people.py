"""Tables of people in a studio: Membership, with its Role."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from control_plane.common.models import StudioOwned
from control_plane.common.scoping import CapabilityManager, OwnManager


class Role(models.TextChoices):
    """What a member is to the studio; `access.ROLE_PERMISSIONS` says what that allows."""

    ADMIN = "admin", "Studio admin"
    INSTRUCTOR = "instructor", "Instructor"
    VIEWER = "viewer", "Viewer"
    GUARDIAN = "guardian", "Guardian"
    PARTNER = "partner", "Partner"


class Membership(StudioOwned):
    """One person in one studio, with one role. Deleting the row ends every right at once.

    `ends_at` null: no end. From then on `access` knows of no role, as though the row were gone.
    `signin_not_before`: a session opens the studio only where the person has shown who they are after this moment; null:
    every session may (`signin_rules`). `last_seen_at`: when a session last opened the studio, give or take an hour; null:
    never. `seen_with_factor`: whether a second factor had been shown in that session; null: never seen.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=16, choices=Role.choices)
    ends_at = models.DateTimeField(null=True, blank=True, editable=False)
    signin_not_before = models.DateTimeField(null=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, editable=False)
    seen_with_factor = models.BooleanField(null=True, editable=False)

    own: ClassVar[OwnManager] = OwnManager()
    reachable: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta(StudioOwned.Meta):
        default_manager_name = "objects"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "user"], name="studios_membership_once_per_person"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="studios_membership_known_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"
