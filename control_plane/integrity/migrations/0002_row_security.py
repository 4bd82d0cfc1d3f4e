"""Row security on every table of integrity."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("integrity", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("IntegrityScan"),
    ]
