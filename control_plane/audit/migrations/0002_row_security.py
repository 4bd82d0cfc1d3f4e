"""Row security on the chains, and entries that nobody can change."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import AppendOnly, ForceRowSecurity, setting

CHAIN = (
    f"studio_id = {setting('studio_id')}"
    f" OR (studio_id IS NULL AND {setting('platform_audit', 'text')} = 'on')"
)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("audit", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("Entry", writable=CHAIN),
        ForceRowSecurity("ChainHead", writable=CHAIN),
        AppendOnly("Entry"),
    ]
