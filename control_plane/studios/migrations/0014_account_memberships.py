"""Whether an account belongs anywhere else: asked before a link is made that would open all of it."""

from django.db import migrations

from control_plane.common.rls import AddReach, Reach, setting


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0013_proven_domains'),
    ]

    operations = [
        AddReach('Membership', Reach('by_account', f"user_id = {setting('account_memberships')}")),
    ]
