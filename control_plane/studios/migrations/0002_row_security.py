"""Row security on every table of tenancy, with the two ways in before a studio is open."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity, Reach, setting

OWN = f"user_id = {setting('user_id')}"
OWN_STUDIO = (
    "EXISTS (SELECT 1 FROM studios_membership AS own WHERE own.studio_id = studios_studio.id"
    f" AND own.user_id = {setting('user_id')})"
)
SWEEP = f"{setting('platform', 'text')} = 'on'"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("studios", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity(
            "Studio", column="id", reach=[Reach("own_studio", OWN_STUDIO), Reach("sweep", SWEEP)]
        ),
        ForceRowSecurity("Room"),
        ForceRowSecurity("Membership", reach=[Reach("own_membership", OWN)]),
        ForceRowSecurity("StudioKey"),
    ]
