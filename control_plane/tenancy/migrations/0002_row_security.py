"""Row security on every table of tenancy, and the rows that may be read before a studio is in scope."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity, Reach, setting

USER = setting("user_id")
OWN_STUDIO = (
    "EXISTS (SELECT 1 FROM tenancy_membership AS own WHERE own.studio_id = tenancy_studio.id"
    f" AND own.user_id = {USER})"
)
SWEEP = f"{setting('platform', 'text')} = 'on'"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tenancy", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity(
            "Studio", column="id", reach=[Reach("own_studio", OWN_STUDIO), Reach("sweep", SWEEP)]
        ),
        ForceRowSecurity("Room"),
        ForceRowSecurity(
            "Membership",
            reach=[
                Reach("own_membership", f"user_id = {USER}"),
                # Whether an account belongs to another studio; checked before a sign-in link for it is created.
                Reach("by_account", f"user_id = {setting('account_memberships')}"),
            ],
        ),
        # The holder of an invitation link may read that invitation.
        ForceRowSecurity(
            "Invitation",
            reach=[Reach("by_hash", f"encode(token_sha256, 'hex') = {setting('invitation_hash', 'text')}")],
        ),
    ]
