"""Registers the app."""

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """Packages of files."""

    name = "control_plane.exports"
    label = "exports"
