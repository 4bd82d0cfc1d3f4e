"""Row security on the table of requests about data."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("data_requests", "0001_initial")]
    operations: ClassVar = [ForceRowSecurity("DataRequest")]
