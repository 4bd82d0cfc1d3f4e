"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string


class AccountsConfig(AppConfig):
    """People and sign-in."""

    name = "control_plane.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Has sign-ins, sign-outs and changed factors put on record."""
        # The receivers need the models, which are not there yet when this module is read.
        import_string("control_plane.accounts.record.connect")()
