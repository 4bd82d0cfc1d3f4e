"""Registers the app."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Intent, PUT, commit, gaps."""

    name = "control_plane.ingest"
    label = "ingest"
