"""Registers the app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and sign-in."""

    name = "control_plane.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Has sign-ins, sign-outs and changed factors put on record."""
        from control_plane.accounts.record import connect  # needs the models

        connect()
