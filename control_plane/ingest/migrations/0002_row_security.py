"""Row security on every table of ingest."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("ingest", "0001_initial")]
    operations: ClassVar = [ForceRowSecurity("PendingSegment"), ForceRowSecurity("QuarantinedSegment")]
