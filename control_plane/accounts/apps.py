"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string


class AccountsConfig(AppConfig):
    """People and sign-in."""

    name = "control_plane.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Connects the audit log to sign-ins, sign-outs and changes of factors."""
        # The receivers need the models, which are not there yet when this module is read.
        import_string("control_plane.accounts.record.connect")()
