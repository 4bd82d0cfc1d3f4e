"""Registers the app."""

from django.apps import AppConfig


class RecordingsConfig(AppConfig):
    """Classes, tracks, segments, gaps."""

    name = "control_plane.recordings"
    label = "recordings"
