"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from control_plane.access import sources


class IdentityConfig(AppConfig):
    """Sign-in policy, OIDC, SAML."""

    name = "control_plane.identity"
    label = "identity"

    def ready(self) -> None:
        """Hands the sign-in policy to `access`."""
        # The models are loaded only now.
        sources.signin_policy = import_string("control_plane.identity.signin_rules.PolicySource")()
