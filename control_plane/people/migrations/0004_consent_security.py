"""Row security on the tables of consent; records are append-only, and a published notice never changes."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import AppendOnly, ForceRowSecurity, FrozenOnce, Reach, setting


class Migration(migrations.Migration):
    dependencies: ClassVar = [("people", "0003_consent")]
    operations: ClassVar = [
        ForceRowSecurity("ConsentNotice"),
        # The holder of a link may read that request.
        ForceRowSecurity(
            "ConsentRequest",
            reach=[Reach("by_hash", f"encode(token_sha256, 'hex') = {setting('consent_hash', 'text')}")],
        ),
        ForceRowSecurity("ConsentRecord"),
        AppendOnly("ConsentRecord", erased_with="dancer_id"),
        FrozenOnce("ConsentNotice", column="published_at"),
    ]
