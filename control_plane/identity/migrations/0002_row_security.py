"""Row security on every table of identity, and the providers that may be read before sign-in."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity, Reach, setting

DOMAIN = setting("provider_domain", "text")


class Migration(migrations.Migration):
    dependencies: ClassVar = [("identity", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity("SigninPolicy"),
        # The provider with the id of a sign-in link, and those that have proven a domain.
        ForceRowSecurity(
            "IdentityProvider",
            reach=[
                Reach("by_id", f"enabled AND id = {setting('provider_id')}"),
                Reach("by_domain", f"enabled AND domains ? {DOMAIN} AND proven_domains ? {DOMAIN}"),
            ],
        ),
        ForceRowSecurity("GroupRole"),
        ForceRowSecurity("ProvidedMembership"),
    ]
