"""Admin pages of access: role table, grants, break-glass access, API keys. Grants are given on the portal."""

from django.contrib import admin
from django.db.models import Model

from control_plane.access import services as access_services
from control_plane.access.admin_base import ScopedAdmin
from control_plane.access.models import ApiKey, BreakGlass, ObjectPermission, RolePermissions
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.tenancy.permissions import MANAGE_PEOPLE


@admin.register(RolePermissions)
class RolePermissionsAdmin(ScopedAdmin):
    """The studio's changes to the table of roles. The portal shows the whole table and the effect of a change."""

    list_display = ("role", "changed_at")
    fields = readonly_fields = ("role", "actions", "changed_at", "changed_by")


@admin.register(ObjectPermission)
class ObjectPermissionAdmin(ScopedAdmin):
    """Grants and denials on single objects. They are given on the object's page in the portal."""

    write_action = MANAGE_PEOPLE
    can_remove = True
    list_display = ("person", "effect", "permission", "until", "given_at")
    list_filter = ("effect",)
    list_select_related = ("user", "permission__content_type")
    fields = readonly_fields = (
        "person",
        "effect",
        "permission",
        "object_pk",
        "until",
        "reason",
        "given_by",
        "given_at",
    )

    def remove(self, obj: Model, *, actor: Actor) -> None:
        """Revokes the grant or denial."""
        if not isinstance(obj, ObjectPermission):
            raise Conflict("not a grant or denial")
        access_services.revoke_grant(obj, actor=actor)

    @admin.display(description="Person")
    def person(self, obj: ObjectPermission) -> str:
        """Returns the name."""
        name: str = obj.user.get_full_name()
        return name


@admin.register(BreakGlass)
class BreakGlassAdmin(ScopedAdmin):
    """Break-glass access, kept permanently. The portal ends it."""

    list_display = ("operator", "created_at", "ends_at", "closed_at")
    list_select_related = ("operator",)
    fields = readonly_fields = (
        "operator",
        "actions",
        "reason",
        "created_at",
        "ends_at",
        "closed_at",
        "closed_by",
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedAdmin):
    """API keys, without their secrets."""

    list_display = ("name", "shown", "user", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    fields = readonly_fields = (
        "name",
        "shown",
        "user",
        "actions",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
