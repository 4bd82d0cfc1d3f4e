"""Models of access: a studio's changes to roles, grants and denials on single objects, break-glass access, API keys."""

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Manager, Q, QuerySet
from django.utils import timezone
from guardian.models import UserObjectPermissionAbstract

from control_plane.access.roles import ALWAYS_LENT
from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.common.roles import Role
from control_plane.common.scoping import CapabilityManager, CurrentUser, ScopedManager

BREAK_GLASS_LIMIT = timedelta(hours=4)
REASON_LENGTH = 500


class RolePermissions(StudioOwned):
    """The permissions of one role in one studio, instead of `roles.DEFAULTS`. A role without a row has the defaults.

    `actions` lists codes of permissions. Those beyond `roles.LIMITS` have no effect, and those of `roles.FLOOR` always do.
    """

    view_permission = "manage_policy"
    access_path = STUDIO_ONLY

    role = models.CharField(max_length=16, choices=Role.choices, editable=False)
    actions = models.JSONField(default=list, editable=False)
    changed_at = models.DateTimeField(auto_now=True, editable=False)
    changed_by = models.UUIDField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        verbose_name = verbose_name_plural = "role permissions"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "role"], name="access_rolepermissions_once_per_role"),
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="access_rolepermissions_known_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {len(self.actions)}"


class Effect(models.TextChoices):
    """Whether a row is a grant or a denial."""

    ALLOW = "allow", "Grant"
    DENY = "deny", "Deny"


class ObjectPermission(StudioOwned, UserObjectPermissionAbstract):
    """A grant or a denial: one permission of one member on one class, room or studio, and on all that it contains.

    `until` is the first instant at which the row has no effect; null: no end. `given_by` is a person's id; null: the
    platform. The row has an effect only while the person is a member. A grant and a denial of the same object can exist
    together: when the denial ends, the grant applies again.
    """

    view_permission = "manage_people"
    access_path = STUDIO_ONLY

    effect = models.CharField(max_length=8, choices=Effect.choices, default=Effect.ALLOW, editable=False)
    until = models.DateTimeField(null=True, blank=True, editable=False)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, editable=False)
    given_by = models.UUIDField(null=True, editable=False)
    given_at = models.DateTimeField(auto_now=True, editable=False)

    objects: ClassVar[ScopedManager] = ScopedManager()  # type: ignore[assignment]  # in place of guardian's

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-given_at", "id"]
        unique_together: ClassVar = []
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "object_pk", "permission", "effect"], name="access_objectpermission_once"
            ),
            models.CheckConstraint(
                condition=Q(effect__in=Effect.values), name="access_objectpermission_known_effect"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["studio", "object_pk"], name="access_objectpermission_of")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.effect} {self.object_pk}"


class OperatorManager(Manager[Any]):
    """Rows of the operator in `user_scope`, in any studio."""

    def get_queryset(self) -> QuerySet[Any]:
        """Returns the operator's own rows."""
        return super().get_queryset().filter(operator_id=CurrentUser())


class BreakGlass(StudioOwned):
    """Break-glass access of one platform operator to one studio, with `actions` only, until `ends_at` or `closed_at`.

    `closed_at` null: nobody closed it, but it may have ended. The studio's admins see every row.
    """

    view_permission = "view_audit"
    access_path = STUDIO_ONLY

    operator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False
    )
    actions = models.JSONField(default=list, editable=False)
    reason = models.CharField(max_length=REASON_LENGTH, editable=False)
    ends_at = models.DateTimeField(editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)
    closed_by = models.UUIDField(null=True, editable=False)

    own: ClassVar[OperatorManager] = OperatorManager()

    class Meta(StudioOwned.Meta):
        default_manager_name = "objects"
        verbose_name = verbose_name_plural = "break-glass"
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["operator", "studio", "ends_at"], name="access_breakglass_open")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__lte=F("created_at") + BREAK_GLASS_LIMIT),
                name="access_breakglass_at_most_four_hours",
            )
        ]

    def __str__(self) -> str:
        return f"{self.operator_id} until {self.ends_at:%Y-%m-%d %H:%M}"


class ApiKey(StudioOwned):
    """A secret with which an API client acts for one member of one studio. Only its SHA-256 is stored.

    It has the permissions in `actions` (codes), as far as the member has them at that moment. `shown` is its beginning, by
    which people tell keys apart.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

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
        """Its scopes without those of every key."""
        return [action for action in self.actions if action not in ALWAYS_LENT]

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""
        return self.revoked_at is None and self.expires_at > timezone.now()
