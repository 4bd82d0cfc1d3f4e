"""Registers the app."""

from django.apps import AppConfig


class ClipsConfig(AppConfig):
    """Clips and their keys."""

    name = "control_plane.clips"
    label = "clips"
