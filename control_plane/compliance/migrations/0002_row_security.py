"""Row security on every table of compliance, and append-only tables."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import AppendOnly, ForceRowSecurity, setting

OPEN = f"{setting('platform_checkpoints', 'text')} = 'on'"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("compliance", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("Checkpoint", writable=OPEN),
        ForceRowSecurity("CheckpointCopy", writable=OPEN),
        ForceRowSecurity("AnomalyThresholds"),
        ForceRowSecurity("AnomalyCursor"),
        ForceRowSecurity("KnownNetwork"),
        ForceRowSecurity("Alert"),
        ForceRowSecurity("AlertAcknowledgement"),
        ForceRowSecurity("AlertNotice"),
        AppendOnly("Checkpoint"),
        AppendOnly("CheckpointCopy"),
        AppendOnly("Alert"),
        AppendOnly("AlertAcknowledgement"),
        AppendOnly("AlertNotice"),
    ]
