"""Tables of tenancy: Studio, Room."""

import zoneinfo
from typing import ClassVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from control_plane.common.models import StudioOwned, UUIDModel
from control_plane.common.scoping import StudioManager


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
