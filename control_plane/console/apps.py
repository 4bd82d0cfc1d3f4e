"""Registers the app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The admin site."""

    name = "control_plane.console"
    label = "console"
