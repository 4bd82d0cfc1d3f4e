"""Registers the app."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Object stores, and the stores of studios."""

    name = "control_plane.storage"
    label = "storage"
