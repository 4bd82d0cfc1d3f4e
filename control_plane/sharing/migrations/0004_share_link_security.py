"""Row security on share links, which the holder of a public id may find, and on their views."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity, Reach, setting


class Migration(migrations.Migration):
    dependencies: ClassVar = [("sharing", "0003_share_links")]
    operations: ClassVar = [
        ForceRowSecurity(
            "ShareLink",
            reach=[Reach("by_public_id", f"public_id = {setting('share_public_id', 'text')}")],
        ),
        ForceRowSecurity("ShareView"),
        ForceRowSecurity("PinFailures"),
    ]
