"""Registers the app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and sign-in."""

    name = "control_plane.accounts"
    label = "accounts"
