"""Row security on every table of the fleet, and the one way in before a studio is open: half a pairing code."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity, Reach, setting


class Migration(migrations.Migration):
    dependencies: ClassVar = [("fleet", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("Agent"),
        ForceRowSecurity(
            "PairingCode", reach=[Reach("by_hash", f"lookup_hash = {setting('pairing_hash', 'text')}")]
        ),
        ForceRowSecurity("Camera"),
        ForceRowSecurity("RecordingOrder"),
        ForceRowSecurity("DesiredConfig"),
        ForceRowSecurity("ReportedConfig"),
        ForceRowSecurity("StatusReport"),
    ]
