"""Row security on the tables of exports."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("exports", "0001_initial")]
    operations: ClassVar = [ForceRowSecurity("Export"), ForceRowSecurity("ExportPart")]
