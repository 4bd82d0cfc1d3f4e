"""Row security on the tables of the timetable."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("recordings", "0003_timetable")]
    operations: ClassVar = [ForceRowSecurity("ClassType"), ForceRowSecurity("Enrolment")]
