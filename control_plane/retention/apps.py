"""Registers the app."""

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    """Rules, holds, runs."""

    name = "control_plane.retention"
    label = "retention"
