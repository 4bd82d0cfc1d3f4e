"""Row security on the tables of plans that belong to a studio."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("plans", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("StudioPlan"),
    ]
