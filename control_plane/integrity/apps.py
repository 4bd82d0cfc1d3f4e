"""Registers the app."""

from django.apps import AppConfig


class IntegrityConfig(AppConfig):
    """Integrity scans, damage, repairs."""

    name = "control_plane.integrity"
    label = "integrity"
