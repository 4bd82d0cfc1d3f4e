"""Row security on every table of clips."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("clips", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("Clip"),
        ForceRowSecurity("ClipSegment"),
        ForceRowSecurity("ClipDancer"),
        ForceRowSecurity("ClipReplay"),
    ]
