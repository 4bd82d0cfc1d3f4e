"""Row security on every table of people."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("people", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("Dancer"),
        ForceRowSecurity("Guardianship"),
    ]
