"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string


class AccountsConfig(AppConfig):
    """People and sign-in."""

    name = "control_plane.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Connects the audit log to sign-ins, sign-outs and changes of factors."""
        # Imported here, because the receivers need models, which cannot be imported before the app registry is ready.
        import_string("control_plane.accounts.signin_audit.connect")()
