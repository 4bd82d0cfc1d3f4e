"""Row security on the tables of keys that belong to a studio."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("keys", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("StudioKey"),
        ForceRowSecurity("KeyTombstone"),
    ]
