"""Row security on the egress policy and the counted bytes."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("sharing", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("EgressPolicy"),
        ForceRowSecurity("EgressUse"),
    ]
