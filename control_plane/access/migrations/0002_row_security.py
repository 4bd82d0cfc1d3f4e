"""Row security on every table of access, with what can be read before a studio is in scope."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity, Reach, setting

USER = setting("user_id")
OPENED_STUDIO = (
    "EXISTS (SELECT 1 FROM access_breakglass AS glass WHERE glass.studio_id = tenancy_studio.id"
    f" AND glass.operator_id = {USER} AND glass.closed_at IS NULL AND glass.ends_at > now())"
)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("access", "0001_initial"), ("tenancy", "0002_row_security")]
    operations: ClassVar = [
        ForceRowSecurity("RolePermissions"),
        ForceRowSecurity("ObjectPermission"),
        ForceRowSecurity("BreakGlass", reach=[Reach("own_breakglass", f"operator_id = {USER}")]),
        # A program is known by its key before its studio is known.
        ForceRowSecurity(
            "ApiKey",
            reach=[Reach("by_hash", f"encode(secret_sha256, 'hex') = {setting('api_key_hash', 'text')}")],
        ),
        # An operator with break-glass access finds the studio by its slug before it is in scope.
        migrations.RunSQL(
            f"CREATE POLICY opened_studio ON tenancy_studio FOR SELECT USING ({OPENED_STUDIO})",
            "DROP POLICY opened_studio ON tenancy_studio",
        ),
    ]
