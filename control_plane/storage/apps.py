"""Registers the app."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Object stores and key wrapping."""

    name = "control_plane.storage"
    label = "storage"
