"""Registers the app."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """Root keys, keyring, vault, tombstones."""

    name = "control_plane.keys"
    label = "keys"
