"""Tables of sharing: EgressPolicy, EgressUse, ShareLink, ShareView, PinFailures."""

from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from control_plane.common.models import STUDIO_ONLY, AccessPath, StudioOwned
from control_plane.common.scoping import CapabilityManager, ScopedManager

DEFAULT_LINK_DAYS = 7
LONGEST_LINK_DAYS = 90
MOST_GB_PER_DAY = 100_000
MOST_VIEWS = 10_000
MOST_PIN_FAILURES = 50
"""Wrong PINs, from all networks together, that close a link for ever. Of a million PINs that is one in 20,000."""


class PinRule(models.TextChoices):
    """When a share link needs a PIN. Where a minor appears it always does."""

    MINORS = "minors", "Where a minor appears"
    ALWAYS = "always", "Always"


class EgressPolicy(StudioOwned):
    """Rules of one studio for footage that leaves it. A studio without a row has the defaults.

    `export_approval`: a second person approves each export. `longest_link_days`: the longest life of a share link.
    `networks`: the only networks, in CIDR notation, that footage goes to; empty: any. `gb_per_day`: gigabytes (10^9 bytes)
    that may leave within a day of the studio's zone; null: no limit.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    share_enabled = models.BooleanField(default=True)
    export_enabled = models.BooleanField(default=True)
    longest_link_days = models.PositiveSmallIntegerField(
        default=DEFAULT_LINK_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_LINK_DAYS)],
    )
    pin_rule = models.CharField(max_length=8, choices=PinRule.choices, default=PinRule.MINORS)
    export_approval = models.BooleanField(default=False)
    networks = models.JSONField(default=list, blank=True)
    gb_per_day = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_GB_PER_DAY)]
    )

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="sharing_egresspolicy_once_per_studio")
        ]

    def __str__(self) -> str:
        return f"{self.studio_id}"


class EgressUse(StudioOwned):
    """Bytes that left the studio on one day because of one view or export, `source_id`.

    One row per source, so that viewers do not wait for each other's transactions.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    day = models.DateField(editable=False)
    source_id = models.UUIDField(editable=False)
    size_bytes = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "day", "source_id"], name="sharing_egressuse_once")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.size_bytes}"


class ShareLink(StudioOwned):
    """One link by which people without an account watch a class, or a part of it.

    The address is `/s/<public_id>#<secret>`; the database knows the SHA-256 of the secret alone. `from_at`, `to_at`: the
    instants between which footage is shown; null: the start, or the end, of the class. `track_ids`: the cameras.
    `created_by`: the person whose permission each view needs. `views` counts openings; `max_views` null: no limit.
    `pin_failures` counts all wrong PINs; at `links.MOST_PIN_FAILURES` the link is closed. `revoked_at` null: not revoked.
    """

    view_permission = "share"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")

    class_session = models.ForeignKey(
        "recordings.ClassSession", on_delete=models.CASCADE, related_name="+", editable=False
    )
    public_id = models.CharField(max_length=16, unique=True, editable=False)
    created_by = models.UUIDField(editable=False)
    title = models.CharField(max_length=120)
    secret_sha256 = models.BinaryField(max_length=32, editable=False)
    pin_hash = models.CharField(max_length=160, blank=True, editable=False)
    pin_failures = models.PositiveSmallIntegerField(default=0, editable=False)
    track_ids = ArrayField(models.UUIDField(), editable=False)
    from_at = models.DateTimeField(null=True, editable=False)
    to_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(editable=False)
    max_views = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_VIEWS)]
    )
    views = models.PositiveIntegerField(default=0, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.UUIDField(null=True, editable=False)

    objects: ClassVar[ScopedManager] = ScopedManager()
    reachable: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["class_session", "-created_at"], name="sharing_link_of_class"),
            models.Index(fields=["studio", "-created_at"], name="sharing_link_of_studio"),
        ]

    def __str__(self) -> str:
        return self.title

    def is_active(self, now: datetime) -> bool:
        """Whether it can still be opened: not revoked, expired, used up or closed by wrong PINs."""
        return (
            self.revoked_at is None
            and now < self.expires_at
            and (self.max_views is None or self.views < self.max_views)
            and self.pin_failures < MOST_PIN_FAILURES
        )


class ShareView(StudioOwned):
    """One opening of a link: the ticket of one browser. The database knows the SHA-256 of its cookie alone.

    `expires_at` moves on while the browser plays. `network`: the /24 or /48 that opened it. `entry_id`: the audit event.
    """

    view_permission = "share"
    access_path = AccessPath(to_class="link__class_session_id", to_room="link__class_session__room_id")

    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="opened", editable=False)
    token_sha256 = models.BinaryField(max_length=32, unique=True, editable=False)
    network = models.CharField(max_length=64, blank=True, editable=False)
    expires_at = models.DateTimeField(editable=False)
    seen_at = models.DateTimeField(editable=False)
    entry_id = models.UUIDField(editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["link", "-created_at"], name="sharing_view_of_link")]

    def __str__(self) -> str:
        return f"{self.link_id} {self.created_at}"


class PinFailures(StudioOwned):
    """Wrong PINs for one link from one network, known by its keyed hash. A try counts before it is checked."""

    view_permission = "share"
    access_path = AccessPath(to_class="link__class_session_id", to_room="link__class_session__room_id")

    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="+", editable=False)
    network_hash = models.CharField(max_length=16, blank=True, editable=False)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    tried_at = models.DateTimeField(editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["link", "network_hash"], name="sharing_pinfailures_once")
        ]

    def __str__(self) -> str:
        return f"{self.link_id} {self.failures}"
