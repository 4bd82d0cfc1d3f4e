"""Row security on every table of retention."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("retention", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("RetentionPolicy"),
        ForceRowSecurity("RetentionRule"),
        ForceRowSecurity("RetentionHold"),
        ForceRowSecurity("RetentionRun"),
        ForceRowSecurity("RetentionRunItem"),
    ]
