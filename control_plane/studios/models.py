"""Tables of tenancy: Studio, Room, Membership, StudioKey."""

import zoneinfo
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from control_plane.common.models import StudioOwned, UUIDModel
from control_plane.common.scoping import OwnManager, StudioManager


class Studio(UUIDModel):
    """One tenant. `slug` is its place in addresses; `accent` its colour on screen, as `#rrggbb`."""

    slug = models.SlugField(
        max_length=50,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$", "Small letters, digits and hyphens only.")
        ],
    )
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC")
    accent = models.CharField(
        max_length=7,
        default="#e8467c",
        validators=[RegexValidator(r"^#[0-9a-f]{6}$", "A colour such as #e8467c.")],
    )

    objects: ClassVar[StudioManager] = StudioManager()

    class Meta:
        base_manager_name = "objects"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuses a time zone that nobody knows.

        Raises:
            ValidationError: `time_zone` is no IANA name.
        """
        if self.time_zone not in zoneinfo.available_timezones():
            raise ValidationError({"time_zone": f"{self.time_zone!r} is no time zone such as Europe/Berlin."})

    @property
    def studio_id(self) -> UUID:
        """Its own id: so that `access` can ask a studio and a thing in it alike."""
        return UUID(str(self.id))


class Room(StudioOwned):
    """One physical room with wall cameras."""

    name = models.CharField(max_length=80)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "name"], name="studios_room_name_once_per_studio")
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member is to the studio; `access.ROLE_PERMISSIONS` says what that allows."""

    ADMIN = "admin", "Studio admin"
    INSTRUCTOR = "instructor", "Instructor"
    VIEWER = "viewer", "Viewer"
    GUARDIAN = "guardian", "Guardian"
    PARTNER = "partner", "Partner"


class Membership(StudioOwned):
    """One person in one studio, with one role. Deleting the row ends every right at once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=16, choices=Role.choices)

    own: ClassVar[OwnManager] = OwnManager()

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


class StudioKey(StudioOwned):
    """One generation of a studio's keys; the row's id is the wire's `RecipientKeyId`.

    The studio's symmetric key is wrapped under the root key; the private half of the X25519 pair that boxes seal
    content keys to is wrapped under the studio's key. `retired_at` null: boxes seal to this one. A retired generation
    still opens what was sealed to it.
    """

    root_key_id = models.CharField(max_length=64, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    public_key = models.BinaryField(max_length=32, editable=False)
    wrapped_private_key = models.BinaryField(editable=False)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio"],
                condition=models.Q(retired_at__isnull=True),
                name="studios_studiokey_one_current",
            )
        ]

    def __str__(self) -> str:
        return str(self.id)
