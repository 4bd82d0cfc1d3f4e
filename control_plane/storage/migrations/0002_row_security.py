"""Row security on every table of storage."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("storage", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("StudioStore"),
        ForceRowSecurity("StudioStorage"),
        ForceRowSecurity("StoreProbe"),
        ForceRowSecurity("StoreMigration"),
        ForceRowSecurity("MigrationFailure"),
        ForceRowSecurity("ObjectDeletion"),
    ]
