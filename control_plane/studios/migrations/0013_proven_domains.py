"""Domains that a provider's studio has proven; only these lead from an address to the provider."""

from django.db import migrations, models

from control_plane.common.rls import Reach, ReplaceReach, setting

DOMAIN = setting('provider_domain', 'text')


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0012_membership_signin'),
    ]

    operations = [
        migrations.AddField(
            model_name='identityprovider',
            name='proven_domains',
            field=models.JSONField(default=dict, editable=False),
        ),
        ReplaceReach(
            'IdentityProvider',
            old=Reach('by_domain', f"enabled AND domains ? {DOMAIN}"),
            new=Reach('by_domain', f"enabled AND domains ? {DOMAIN} AND proven_domains ? {DOMAIN}"),
        ),
    ]
