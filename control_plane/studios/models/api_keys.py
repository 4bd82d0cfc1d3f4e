"""Tables of programs that act for people: ApiKey."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from control_plane.common.models import StudioOwned
from control_plane.common.scoping import CapabilityManager
from control_plane.studios.actions import ALWAYS_LENT


class ApiKey(StudioOwned):
    """A secret by which a program acts for one member of one studio. Only its SHA-256 is stored.

    It lends `actions` (values of `Action`) and nothing beyond what the member may at that moment. `shown` is its first
    letters, by which people tell keys apart.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", editable=False
    )
    name = models.CharField(max_length=80)
    shown = models.CharField(max_length=12, editable=False)
    secret_sha256 = models.BinaryField(unique=True, editable=False)
    actions = models.JSONField(default=list)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    reachable: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta(StudioOwned.Meta):
        default_manager_name = "objects"
        verbose_name = "API key"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def chosen(self) -> list[str]:
        """What it lends beside what every key does."""
        return [action for action in self.actions if action not in ALWAYS_LENT]

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""
        return self.revoked_at is None and self.expires_at > timezone.now()
