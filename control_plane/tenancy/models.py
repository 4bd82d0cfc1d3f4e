"""Tables of tenancy: Studio, Room, Membership, Invitation."""

import zoneinfo
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from control_plane.common.models import STUDIO_ONLY, AccessPath, StudioOwned, UUIDModel
from control_plane.common.roles import Role
from control_plane.common.scoping import CapabilityManager, OwnManager, StudioManager


class Studio(UUIDModel):
    """One tenant. `slug` is its name in URLs; `accent` its colour on screen, as `#rrggbb`."""

    view_permission = "view_studio"
    access_path = STUDIO_ONLY

    slug = models.SlugField(
        max_length=50,
        unique=True,
        validators=[
            RegexValidator(
                r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$", "Lower-case letters, digits and hyphens only."
            )
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
        """Refuses an unknown time zone.

        Raises:
            ValidationError: `time_zone` is not an IANA name.
        """
        if self.time_zone not in zoneinfo.available_timezones():
            raise ValidationError(
                {"time_zone": f"{self.time_zone!r} is not a time zone such as Europe/Berlin."}
            )

    @property
    def studio_id(self) -> UUID:
        """Its own id, so that `access` can treat a studio like an object in it."""
        return UUID(str(self.id))


class Room(StudioOwned):
    """One physical room with wall cameras."""

    view_permission = "view_studio"
    access_path = AccessPath(to_room="pk")

    name = models.CharField(max_length=80)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "name"], name="tenancy_room_name_once_per_studio")
        ]

    def __str__(self) -> str:
        return self.name


class Membership(StudioOwned):
    """One person in one studio, with one role. Deleting the row ends all access at once.

    `ends_at`: from then on `access` treats the membership as deleted; null: no end. `signin_not_before`: only sessions
    authenticated after this open the studio (`signin_rules`); null: all do. `last_seen_at`: when a session last opened
    the studio, to about an hour; null: never. `seen_with_factor`: whether that session had used a second factor; null:
    never seen.
    """

    view_permission = "manage_people"
    access_path = STUDIO_ONLY

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
            models.UniqueConstraint(fields=["studio", "user"], name="tenancy_membership_once_per_person"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="tenancy_membership_known_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"


class Invitation(StudioOwned):
    """An offer of membership to an e-mail address. Only the SHA-256 of its token is stored.

    `membership_ends_at` null: no end. `invited_by` and `accepted_by` are ids of people.
    """

    view_permission = "manage_people"
    access_path = STUDIO_ONLY

    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Role.choices)
    membership_ends_at = models.DateTimeField(null=True, blank=True)
    token_sha256 = models.BinaryField(unique=True, editable=False)
    expires_at = models.DateTimeField(editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    invited_by = models.UUIDField(null=True, editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.UUIDField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    reachable: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta(StudioOwned.Meta):
        default_manager_name = "objects"
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["studio", "-created_at"], name="tenancy_invitation_newest")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="tenancy_invitation_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="tenancy_invitation_known_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.created_at:%Y-%m-%d}"

    @property
    def is_open(self) -> bool:
        """Whether it can still be accepted."""
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def is_pending(self) -> bool:
        """Whether it has neither been accepted nor revoked; its link may have expired."""
        return self.accepted_at is None and self.revoked_at is None
