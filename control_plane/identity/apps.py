"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from control_plane.access import sources


class IdentityConfig(AppConfig):
    """Sign-in policy, OIDC, SAML."""

    name = "control_plane.identity"
    label = "identity"

    def ready(self) -> None:
        """Registers the source of sign-in policies with `access`."""
        # Imported here, because models cannot be imported before the app registry is ready.
        sources.signin_policy = import_string("control_plane.identity.signin_rules.PolicySource")()
