"""Row security on every table of recordings."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):
    dependencies: ClassVar = [("recordings", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("ClassSession"),
        ForceRowSecurity("AgentRecording"),
        ForceRowSecurity("Track"),
        ForceRowSecurity("Segment"),
        ForceRowSecurity("SegmentDamage"),
        ForceRowSecurity("Gap"),
        ForceRowSecurity("Replay"),
        ForceRowSecurity("Appearance"),
    ]
